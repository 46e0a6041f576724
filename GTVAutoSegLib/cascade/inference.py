"""Networks over many slices in batches: progress, cancelling, and what to do when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import Cancelled, OutOfMemoryError, RunError
from ..system.names import counted
from ..system.progress import Progress
from .device import describe, is_out_of_memory

# Pixels of network input per batch: 4 slices of 512 x 512 on a CPU, whose caches gain nothing from more.
CPU_BATCH_PIXELS = 4 * 512 * 512
GPU_BATCH_PIXELS = 32 * 512 * 512
MAX_BATCH = 32
MIRRORED = ((), (3,), (2,), (2, 3))


def vote(members: Tensor) -> Tensor:
    """Share of an ensemble's members for each class; a member is for tumour from a probability of 0.5.

    A threshold of 0.5 on it is the majority of the authors' code; of an even number, half is enough.

    Args:
        members: class probabilities (members, n, 2, ...).
    """
    tumour = members[:, :, 1]
    # NaN stays NaN: compared with 0.5 it would pass for a vote against tumour.
    share = torch.where(tumour.isnan(), tumour, (tumour >= 0.5).to(tumour.dtype)).mean(dim=0)
    return torch.stack([1 - share, share], dim=1)


# From the class probabilities of an ensemble, (members, n, 2, ...), to (n, 2, ...).
COMBINED: dict[str, Callable[[Tensor], Tensor]] = {"mean": lambda members: members.mean(dim=0), "vote": vote}


def probabilities(network: nn.Module, images: Tensor) -> Tensor:
    """Class probabilities (n, 2, ...) of float (n, channels, N, N)."""
    output: Tensor = network(images).float().softmax(dim=1)
    return output


def seen_mirrored(network: nn.Module, images: Tensor) -> Tensor:
    """Mean of the probabilities of slices as they are, mirrored left-right, upside down, and both.

    A map of pixels (n, 2, N, N) is mirrored back; a probability of the slice (n, 2) needs none of that.
    """
    views = []
    for axes in MIRRORED:
        found = probabilities(network, images.flip(axes) if axes else images)
        views.append(found.flip(axes) if axes and found.ndim == images.ndim else found)
    return torch.stack(views).mean(dim=0)


def ensemble_probabilities(
    networks: Sequence[nn.Module], images: Tensor, combine: str = "mean", *, flips: bool = False
) -> Tensor:
    """What a stage of a model says of slices: class probabilities (n, 2, ...) of float (n, channels, N, N).

    Args:
        networks: of the stage, in evaluation mode.
        images: on their device.
        combine: how their probabilities become one, see `COMBINED`.
        flips: whether each also sees the slices mirrored, see `seen_mirrored`.
    """
    look = seen_mirrored if flips else probabilities
    return COMBINED[combine](torch.stack([look(network, images) for network in networks]))


class BatchRunner:
    """Runs networks batch by batch; when memory runs out it halves the batch, then moves to the CPU.

    Attributes:
        device: where it runs now.
        half: whether in half precision now.
        notes: what had to be changed, as sentences for the user.
    """

    def __init__(
        self,
        device: torch.device,
        size: int,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
        *,
        half: bool = False,
    ) -> None:
        self.device = device
        self.half = half
        self.notes: list[str] = []
        self._size = size
        self._batch = self._first_batch()
        self._progress = progress or (lambda *_: None)
        self._cancelled = cancelled or (lambda: False)

    def run(
        self,
        stage: str,
        networks: Sequence[nn.Module],
        indices: np.ndarray,
        make_input: Callable[[list[int]], Tensor],
        timed: Callable[[str], AbstractContextManager[None]],
        combine: str = "mean",
        *,
        flips: bool = False,
    ) -> Iterator[tuple[list[int], Tensor]]:
        """Yield (slice indices, class probabilities of the ensemble on the CPU) batch by batch, in order.

        Args:
            stage: name for the progress callback and the timings.
            networks: ensemble of one stage.
            indices: which slices.
            make_input: slice indices -> float tensor (n, channels, N, N).
            timed: context manager that adds to a named timing.
            combine: how the ensemble's probabilities become one, see `COMBINED`.
            flips: whether each network also sees its slices mirrored, see `seen_mirrored`.

        Raises:
            Cancelled: the user asked to stop.
            OutOfMemoryError: out of memory with one slice on the CPU.
            RunError: the network failed, or gave values that are no numbers.
        """
        done = 0
        self._progress(stage, 0, len(indices))
        # A GPU computes one batch while the next one is prepared; only then is its result waited for.
        waiting: list[tuple[list[int], Tensor]] = []
        while done < len(indices):
            if self._cancelled():
                raise Cancelled("the run was cancelled; nothing was written")
            chosen = [int(index) for index in indices[done : done + self._batch]]
            images = make_input(chosen)
            with timed(stage):
                output = self._probabilities(networks, images, combine, flips)
            if output is None:
                continue
            waiting.append((chosen, output))
            done += len(chosen)
            ahead = 0 if self.device.type == "cpu" else 1
            while waiting and (len(waiting) > ahead or done == len(indices)):
                ready, output = waiting.pop(0)
                with timed(stage):
                    found = self._fetched(output)
                self._progress(stage, done - sum(len(rows) for rows, _ in waiting), len(indices))
                yield ready, found

    @torch.inference_mode()
    def _probabilities(self, networks: Sequence[nn.Module], images: Tensor, combine: str, flips: bool) -> Tensor | None:
        """Softmax, combined over the ensemble, on the device; None when memory ran out and less must be tried."""
        try:
            # Only from pinned memory does a copy to a GPU run beside the computation.
            source = images.pin_memory() if self.device.type == "cuda" else images
            dtype = torch.float16 if self.half else torch.float32
            given = source.to(self.device, dtype, non_blocking=True, memory_format=torch.channels_last)
            # An earlier run that moved to the CPU may have left some of them in other numbers.
            placed = [network.to(self.device, dtype) for network in networks]
            return ensemble_probabilities(placed, given, combine, flips=flips)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise self._failure(error) from error
        try:
            self._give_way(networks)
        except RuntimeError as error:  # a GPU that has failed for good fails here too
            raise self._failure(error) from error
        return None

    def _fetched(self, output: Tensor) -> Tensor:
        """A batch's probabilities on the CPU; waits for the device."""
        try:
            output = output.cpu()
        except RuntimeError as error:  # a GPU's failure shows here
            raise self._failure(error) from error
        if not torch.isfinite(output).all():
            # NaN compares false everywhere: it would pass for "no tumour".
            raise RunError(
                f"the network gave values that are no numbers on {describe(self.device)}; try device cpu, and "
                "if it happens there too install the model again"
            )
        return output

    def _failure(self, error: RuntimeError) -> RunError:
        return RunError(f"the network failed on {describe(self.device)}: {error}; try device cpu")

    def _give_way(self, networks: Sequence[nn.Module]) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if self._batch > 1:
            self._batch //= 2
            self.notes.append(
                f"memory ran out on {describe(self.device)}: went on with {counted(self._batch, 'slice')} at a time"
            )
        elif self.device.type != "cpu":
            self.notes.append(f"memory ran out on {describe(self.device)} with a single slice: went on on the CPU")
            for network in networks:
                network.cpu()
            self.half = False
            self.device = torch.device("cpu")
            self._batch = self._first_batch()
        else:
            raise OutOfMemoryError("memory ran out on the CPU with a single slice; close other programs and run again")

    def _first_batch(self) -> int:
        pixels = CPU_BATCH_PIXELS if self.device.type == "cpu" else GPU_BATCH_PIXELS
        # Progress and cancelling happen between batches, so small slices do not make endless ones.
        return max(1, min(MAX_BATCH, pixels // self._size**2))
