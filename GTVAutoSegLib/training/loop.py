"""The training loop: both stages of the cascade go through `fit`, top to bottom."""

from __future__ import annotations

import copy
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

from ..cascade.device import describe, is_out_of_memory
from ..errors import Cancelled, InputError, OutOfMemoryError, RunError
from ..networks.blocks import channels_last
from ..system.names import counted
from .checkpoint import load_state, remove_leftovers, save_log, save_state, save_weights
from .data.augmentation import augment, draw
from .data.batches import as_input, cut, packed, read_ahead
from .engine.batch_norm import share_batch_norm
from .engine.engine import Engine
from .engine.random_state import derived_seed, random_state, restore_random_state
from .engine.weights import average_weights, parameter_groups
from .losses import LOSSES, output_loss
from .progress.monitor import Monitor
from .progress.plan import SMALLEST_BATCH
from .stages import Job, f1_score

CLIP_NORM = 20.0


def fit(job: Job, folder: Path, engine: Engine, monitor: Monitor | None = None) -> list[dict[str, Any]]:
    """Train one network: validate after every epoch, keep the best weights, continue where a killed run stood.

    On a CPU the result depends on the job only, bit for bit, however often the run was killed and continued.
    Several processes share each batch; apart from dropout, they find what one alone would.

    Args:
        job: what to train.
        folder: for ``weights.safetensors`` (best), ``log.jsonl`` and ``state.pt``; continued when it holds a state.
        engine: device, precision and processes.
        monitor: told about every step and epoch.

    Returns:
        The log: one record an epoch.

    Raises:
        InputError: too few slices to train on.
        OutOfMemoryError: memory ran out even with the smallest part of a batch.
        RunError: the device failed, the loss is no longer a number, or the state in ``folder`` is damaged.
        Cancelled: ``monitor.cancelled`` returned True.
    """
    try:
        run = _Training(job, folder, engine, monitor or Monitor())
        run.restore()
        while not run.finished:
            run.epoch()
        run.close()
    except RuntimeError as error:
        raise _failure(error, job.stage.name, engine) from error
    return run.history


class _Training:
    def __init__(self, job: Job, folder: Path, engine: Engine, monitor: Monitor) -> None:
        self.job, self.folder, self.engine, self.monitor = job, folder, engine, monitor
        settings = job.settings
        torch.manual_seed(job.seed)
        self.network = channels_last(share_batch_norm(job.build(), engine))
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.network, settings.weight_decay), lr=settings.learning_rate
        )
        self.scheduler = CosineAnnealingWarmRestarts(self.optimizer, settings.restart_epochs, settings.restart_factor)
        self.wrapped, self.wrapped_optimizer = engine.setup(self.network, self.optimizer)
        # What is validated and kept: a moving average of the weights, or the weights themselves.
        self.kept = copy.deepcopy(self.network).requires_grad_(False) if settings.ema else self.network
        self.loss = LOSSES[settings.loss]
        self.part = settings.batch  # slices of a batch that fit into memory at once; shrinks when they do not
        self.history: list[dict[str, Any]] = []
        self.best, self.best_epoch, self.step = -1.0, 0, 0
        self.within: dict[str, Any] | None = None  # how far an epoch was when it was stopped

    @property
    def finished(self) -> bool:
        done, settings = len(self.history), self.job.settings
        return done >= settings.epochs or (done > 0 and done - 1 - self.best_epoch >= settings.patience)

    def restore(self) -> None:
        """Continue from ``state.pt`` if there is one."""
        if self.engine.is_global_zero:
            remove_leftovers(self.folder)
        state = load_state(self.folder)
        if state is None:
            return
        self.history, self.step = state["history"], state["step"]
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        if "network" not in state:  # closed
            if self.engine.is_global_zero:
                save_log(self.folder, self.history)
            return
        self.network.load_state_dict(state["network"])
        if self.job.settings.ema:
            self.kept.load_state_dict(state["kept"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.within = state.get("within")
        if self.within is None:  # within an epoch, what is on disk is right, and the weights are not yet those of one
            self._write_results()

    def epoch(self) -> None:
        """Train on one draw of slices, validate, write; one that is stopped is kept where it is."""
        number, started = len(self.history), time.monotonic()
        if self.within is not None:
            started -= self.within["seconds"]
        static = self.job.settings.static_sampling
        order = self.job.training.draw(self.job.theta, self.job.seed, number, static=static)
        learning_rate = self.optimizer.param_groups[0]["lr"]
        try:
            loss = self._learn(number, order)
            score = self._validate() if math.isfinite(loss) else 0.0
        except Cancelled:
            self._write_state(seconds=time.monotonic() - started)
            raise
        self.within = None
        if not math.isfinite(loss):
            raise RunError(
                f"the loss of the {self.job.stage.name} became {loss} in epoch {number}; "
                "lower learning_rate in the preset"
            )
        self.scheduler.step()
        if score > self.best:
            self.best, self.best_epoch = score, number
        record = {
            "epoch": number,
            "loss": loss,
            "validation": score,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "learning_rate": learning_rate,
            "slices": len(order),
            "seconds": round(time.monotonic() - started, 3),
        }
        self.history.append(record)
        self._write_state()
        self._write_results()
        self.monitor.epoch(record)

    def close(self) -> None:
        """Drop what only continuing needs."""
        if self.engine.is_global_zero:
            save_state(self.folder, self._counters())
        self.engine.barrier()

    def _learn(self, epoch: int, order: np.ndarray) -> float:
        """One pass over ``order``; returns the mean loss of its slices."""
        world, rank = self.engine.world_size, self.engine.global_rank
        least = max(SMALLEST_BATCH, world)
        if len(order) < least:
            raise InputError(
                f"an epoch of the {self.job.stage.name} has {len(order)} training slices, expected at least {least}; "
                "add cases or choose a larger theta"
            )
        first, total = 0, torch.zeros((), device=self.engine.device)
        if self.within is None:
            torch.manual_seed(derived_seed(self.job.seed, epoch, rank))  # of dropout
        else:
            first, total = self.within["done"], self.within["total"].to(self.engine.device)
            restore_random_state(self.engine.device, self.within["random"])
        batches = cut(order, self.job.settings.batch, least)
        mine = [np.array_split(np.arange(len(batch)), world)[rank] for batch in batches]
        self.network.train()
        batches_left, mine_left = batches[first:], mine[first:]
        loaded = read_ahead(self.job.training, [batch[rows] for batch, rows in zip(batches_left, mine_left)])
        for number, (batch, rows, (images, masks)) in enumerate(zip(batches_left, mine_left, loaded), first):
            # Drawn for the whole batch on every process, so that their number does not matter.
            generator = torch.Generator().manual_seed(derived_seed(self.job.seed, epoch, number))
            numbers = draw(len(batch), self.job.settings.augmentation, generator).of(slice(rows[0], rows[-1] + 1))
            images, masks = as_input(images, self.engine.device), masks.to(self.engine.device)
            noise = self.job.settings.augmentation.noise_amount
            images, masks = augment(images, masks=masks, numbers=numbers, noise_amount=noise, grey=self.job.grey)
            if epoch == number == 0:
                self.monitor.samples(images, masks)
            total += self._step(images, masks, len(batch))
            self.within = {"done": number + 1, "total": total}
            self.monitor.step(epoch, number + 1, len(batches))
            self._stop_if_cancelled()
        return float(self._sum(total)) / len(order)

    def _step(self, images: Tensor, masks: Tensor, batch: int) -> Tensor:
        """Update the weights once; returns the sum of this process's losses."""
        while True:
            try:
                losses = self._gradients(images, masks, batch)
                break
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            self._shrink()
        self.engine.clip_gradients(self.wrapped, self.wrapped_optimizer, max_norm=CLIP_NORM, error_if_nonfinite=False)
        self.wrapped_optimizer.step()
        self.step += 1
        if self.job.settings.ema:
            # Early on the average follows fast, or it would remember the random start for long.
            average_weights(self.network, self.kept, min(self.job.settings.ema, (1 + self.step) / (10 + self.step)))
        return losses

    def _gradients(self, images: Tensor, masks: Tensor, batch: int) -> Tensor:
        """Gradient of the mean loss over the batch, in parts that fit into memory."""
        self.wrapped_optimizer.zero_grad(set_to_none=True)
        losses = torch.zeros((), device=images.device)
        parts = cut(np.arange(len(images)), self.part, min(SMALLEST_BATCH, len(images)))
        for part in parts:
            rows = slice(part[0], part[-1] + 1)
            with self.engine.no_backward_sync(self.wrapped, enabled=part is not parts[-1]):
                output = self.wrapped(packed(images[rows]))
                loss = output_loss(self.loss, output, self.job.stage.target(masks[rows]))
                # The processes' gradients are averaged: each part counts by its share of the whole batch.
                self.engine.backward(loss * (len(part) * self.engine.world_size / batch))
            losses += loss.detach() * len(part)
        return losses

    def _shrink(self) -> None:
        if self.part <= SMALLEST_BATCH or self.engine.world_size > 1:
            # A process cannot take another number of parts than the others, which wait for its gradients.
            raise OutOfMemoryError(
                f"memory ran out on {describe(self.engine.device)} with {counted(self.part, 'slice')} at a time; lower "
                "'batch' or 'size' in the preset"
            )
        self.part = max(SMALLEST_BATCH, self.part // 2)
        if self.engine.device.type == "cuda":
            torch.cuda.empty_cache()
        self.monitor.note(f"memory is short: each batch is now taken in parts of {counted(self.part, 'slice')}")

    @torch.inference_mode()
    def _validate(self) -> float:
        """Score of all validation slices, pooled."""
        self.kept.eval()
        counts = torch.zeros(3, dtype=torch.int64, device=self.engine.device)
        indices = np.arange(self.engine.global_rank, len(self.job.validation), self.engine.world_size)
        chunks = np.array_split(indices, max(1, math.ceil(len(indices) / self.part)))
        for images, masks in read_ahead(self.job.validation, [chunk for chunk in chunks if len(chunk)]):
            inputs = packed(as_input(images, self.engine.device))
            with self.engine.autocast():
                logits = self.kept(inputs).float()
            counts += self.job.stage.counts(logits, masks.to(self.engine.device))
            self._stop_if_cancelled()
        return f1_score(self._sum(counts))

    def _stop_if_cancelled(self) -> None:
        if self.monitor.cancelled():
            raise Cancelled(f"the training of the {self.job.stage.name} was stopped; what it has learned is kept")

    def _sum(self, value: Tensor) -> Tensor:
        """Over all processes."""
        total = self.engine.all_reduce(value, reduce_op="sum")
        assert isinstance(total, Tensor)  # noqa: S101 - Engine reduces collections as well
        return total

    def _counters(self) -> dict[str, Any]:
        return {"history": self.history, "step": self.step, "best": self.best, "best_epoch": self.best_epoch}

    def _write_state(self, seconds: float = 0.0) -> None:
        """Where training stands: after an epoch, or after so many seconds within one."""
        if self.engine.is_global_zero:
            state = {name: getattr(self, name).state_dict() for name in ("network", "optimizer", "scheduler")}
            kept = {"kept": self.kept.state_dict()} if self.job.settings.ema else {}
            within = {}
            if self.within is not None:
                random = random_state(self.engine.device)
                within = {"within": {**self.within, "random": random, "seconds": seconds}}
            save_state(self.folder, {**self._counters(), **state, **kept, **within})

    def _write_results(self) -> None:
        """Write the weights and the log that go with the state on disk; again when a killed run is continued."""
        if self.engine.is_global_zero:
            if self.best_epoch == len(self.history) - 1:
                save_weights(self.folder, self.kept)
            save_log(self.folder, self.history)


def _failure(error: RuntimeError, stage: str, engine: Engine) -> RunError:
    """What a device's failure is called, wherever in a training it shows."""
    device = describe(engine.device)
    if is_out_of_memory(error):
        return OutOfMemoryError(f"memory ran out on {device}; lower 'batch' or 'size' in the preset")
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return RunError(f"the training of the {stage} failed on {device}: {reason}; its last whole epoch is kept")
