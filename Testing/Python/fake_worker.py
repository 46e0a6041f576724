"""A worker without networks, for what the real one does rarely or slowly. FAKE_WORKER says how it behaves.

ball: outlines a ball, on the slices asked for, and keeps its probability. empty: finds nothing. slow: works for a
minute and looks for the cancel file; deaf: the same, and never looks. fail:<code>: reports an error. silent: ends well
without a result. unreadable: its mask is damaged. crash: is killed. noisy: prints much, then ends with a traceback.
stranger: answers with another request's id. probe: what `probe` answers is in FAKE_PROBE.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

label = {}


def send(event, **content):
    print(json.dumps({"event": event, **label, **content}), flush=True)


def main(arguments):
    if arguments == ["serve"]:
        for line in sys.stdin:
            request = json.loads(line)
            label["id"] = request["id"]
            send("done", exit_code=main(request["arguments"]))
        return 0
    if arguments[0] == "export":
        return export(arguments)
    if arguments[0] == "complete":
        return real(arguments)
    parser = argparse.ArgumentParser()
    parser.add_argument("action")
    for name in ("input", "output", "model", "device", "threshold", "slices", "box", "probability"):
        parser.add_argument("--" + name)
    parser.add_argument("--cancel-file", type=Path)
    parser.add_argument("--watch-stdin", action="store_true")
    values = parser.parse_args(arguments)
    if values.action == "probe":
        behaviour, argument = "probe", ""
    else:
        behaviour, _, argument = os.environ["FAKE_WORKER"].partition(":")
    return BEHAVIOURS[behaviour](values, argument)


def export(arguments):
    """As the real worker, unless FAKE_EXPORT names another behaviour."""
    parser = argparse.ArgumentParser()
    for name in ("--order", "--cancel-file"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--watch-stdin", action="store_true")
    behaviour, _, argument = os.environ.get("FAKE_EXPORT", "").partition(":")
    if behaviour:
        return BEHAVIOURS[behaviour](parser.parse_args(arguments[1:]), argument)
    return real(arguments)


def real(arguments):
    from GTVAutoSegLib.commands.worker import Worker

    return Worker(lambda content: send(**content)).run([one for one in arguments if one != "--watch-stdin"])


def outline(values, kind):
    import numpy as np
    import SimpleITK as sitk
    from slicer_samples import ball

    ct = sitk.ReadImage(values.input)
    shape = ct.GetSize()[::-1]
    mask = ball(shape) if kind == "ball" else np.zeros(shape, np.uint8)
    if values.slices:
        first, stop = map(int, values.slices.split(":"))
        mask[:first] = mask[stop:] = 0
    image = sitk.GetImageFromArray(mask)
    image.CopyInformation(ct)
    send("stage", stage="segmenting")
    for done in range(shape[0] + 1):
        send("progress", stage="segmenting", done=done, total=shape[0])
    warning = "slices are 3.0 mm thick, the model was trained on 5.0 mm"
    send("warning", message=warning)
    sitk.WriteImage(image, values.output)
    if values.probability:
        keep_probability(mask, values)
    digest = hashlib.sha256((Path(values.model) / "model.json").read_bytes()).hexdigest()
    slices = np.flatnonzero(mask.any(axis=(1, 2))).tolist()
    send(
        "result",
        input={"source": values.input, "size": list(ct.GetSize()), "spacing_mm": list(ct.GetSpacing())},
        roi="GTVp",
        slice_probability=[0.9 if index in slices else 0.1 for index in range(shape[0])],
        picked_slices=slices,
        mask_sha256=hashlib.sha256(mask).hexdigest(),
        volume_ml=float(mask.sum()) * 3 / 1000,
        tumour_slices=slices,
        extent_mm=[17.0, 11.0, 3.0 * len(slices)],
        threshold=0.5,
        reason=""
        if slices
        else "no slice reaches the threshold 0.50: the highest slice probability is 0.12, at slice 3",
        warnings=[warning],
        model={"id": "m", "version": "1", "digest": digest},
        device=values.device,
        precision="fp32",
        timings={"total": 0.1},
        versions={"torch": "none"},
    )
    return 0


def keep_probability(mask, values):
    """0.95 within the ball, 0.8 when it is doubtful, 0.4 one voxel around it, in each slice."""
    import numpy as np
    from scipy import ndimage

    from GTVAutoSegLib.images.probability import probability_of
    from GTVAutoSegLib.images.read import read_volume

    around = ndimage.binary_dilation(mask, np.ones((1, 3, 3)))
    inside = 0.8 if os.environ["FAKE_WORKER"] == "ball:doubtful" else 0.95
    levels = (np.where(mask, inside, around * 0.4) * 256).astype(np.uint8)
    probability_of(levels, 0.5, 1).write(values.probability, read_volume(values.input))


def wait(values, listens):
    send("stage", stage="classifying")
    for done in range(600):
        send("progress", stage="classifying", done=done, total=600)
        time.sleep(0.1)
        if listens and values.cancel_file.exists():
            send("error", code="cancelled", message="cancelled", details="")
            return 130
    return 0


def fail(values, code):
    send("error", code=code, message=f"this failed as {code}; do something", details="the traceback")
    return 4


def unreadable(values):
    outline(values, "ball")
    Path(values.output).write_bytes(b"NRRD0004\n")
    return 0


def stranger(values):
    label["id"] = "of another request"
    return outline(values, "ball")


def crash(values, _):
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def noisy(values, _):
    for number in range(2000):
        print(f"line {number}", file=sys.stderr)
    raise ValueError("the last line")


def probe(values, _):
    answer = json.loads(os.environ["FAKE_PROBE"])
    send(**answer)
    return 0 if answer["event"] == "result" else 3


BEHAVIOURS = {
    "ball": lambda values, _: outline(values, "ball"),
    "empty": lambda values, _: outline(values, "empty"),
    "slow": lambda values, _: wait(values, True),
    "deaf": lambda values, _: wait(values, False),
    "fail": fail,
    "silent": lambda values, _: 0,
    "unreadable": lambda values, _: unreadable(values),
    "stranger": lambda values, _: stranger(values),
    "crash": crash,
    "noisy": noisy,
    "probe": probe,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
