"""The page of a commission: one HTML file with its pictures, for A4 and a signature."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ...report.pages import RESEARCH_ONLY, UNDEFINED, Number, badge, figure, number, page, paragraphs, small, table
from ...system.names import counted
from ..learned import Learned
from .charts import volume_charts
from .earlier import signed
from .figures import Against, CaseFigures, Commission
from .judge import asked, shown, told
from .measure import WorstSlice

MOST_PICTURES = 9
FIGURES = "scroll figures"  # many columns of numbers
SIGNATURES = (
    '<div class="together"><h2>Signatures</h2>'
    '<p class="sign">Carried out by <span></span> on <span></span></p>'
    '<p class="sign">Checked by <span></span> on <span></span></p>'
    '<p class="sign">Released for use: &#9744; yes &#9744; no &nbsp; Restrictions <span></span></p></div>'
)
PICTURES_TEXT = (
    "The slices on which most of the outline has to be drawn or taken away, at most two of a case: red the model's "
    "outline, blue and dashed the reference. Seen from the feet: R right, L left, A front, P back."
)
DRAWN_TEXT = (
    "a simulated person names first and last slice and draws the reference on {count} between; all figures are of the "
    "other slices"
)
DEFINITIONS = (
    "DSC: Dice similarity coefficient. HD95: the larger of the two directed 95th percentiles of the surface distances. "
    "Surface Dice: the share of both surfaces' voxels within the tolerance of the other surface. Added path length: "
    "the pixels of the reference's outline, in axial slices, that are not on the model's, as length (Vaassen et al., "
    "Phys Imaging Radiat Oncol 13 (2020) 1, without a tolerance); beyond tolerance: the share of the reference's "
    "outline that is farther from the model's in its slice. Bias and limits of agreement: Bland and Altman, Stat "
    "Methods Med Res 8 (1999) 135, of the outline's volume minus the reference's; percent are of the mean of both. "
    "Intervals are of 95 % and take cases as independent and normally distributed. A tumour counts as missed when "
    "nothing that was outlined touches it; its distances are not defined, and a limit on them is then not kept."
)
LIMITS_TEXT = (
    "Limits are the site's decision. The software's defaults are a beginning and no standard: a mean DSC of 0.8 is the "
    "lower end of what AAPM TG-132 expects of contours that a registration propagates, the others are the authors' "
    "choice."
)


def commission_page(done: Commission, worst: Sequence[WorstSlice]) -> str:
    """The page as HTML.

    Args:
        done: the commission.
        worst: slices, the worst first.
    """
    title = f"Commissioning of {done.subject.model.id} {done.subject.model.version}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="{"" if done.passed else "failed"}"><b>{escape(done.sentence)}</b></p>',
        *paragraphs([done.against.sentence] if done.against else [], "together"),
        *paragraphs([RESEARCH_ONLY], "notice"),
        *paragraphs(remarks(done), "warning"),
        "<h2>What was tested</h2>",
        table(_origin(done), kind="fixed"),
        "<h2>Limits</h2>",
        _limits(done),
        *paragraphs([LIMITS_TEXT], "small"),
        "<h2>Cases</h2>",
        _cases(done),
        *_ends(done.tumours),
        "<h2>Volume</h2>",
        *volume_charts(done.tumours),
        *_boxes(done),
        *_against(done.against),
        *_pictures(worst),
        *_notes(done),
        "<h2>What the figures mean</h2>",
        *paragraphs([DEFINITIONS], "small"),
        SIGNATURES,
    ]
    return page(title, parts)


def remarks(done: Commission) -> list[str]:
    """What a reader has to know before the figures, a sentence each."""
    subject = done.subject
    texts = [Learned(subject.learned, subject.learned_from, subject.chosen_on).sentence(subject.model.id)]
    patients = {one.patient for one in done.tumours}
    if len(patients) < len(done.tumours):
        texts.append(
            f"The {len(done.tumours)} cases are of {counted(len(patients), 'patient')}: intervals are too narrow, as "
            "they take cases as independent."
        )
    return [text if text.endswith(".") else f"{text}." for text in texts if text]


def _origin(done: Commission) -> list[tuple[str, object]]:
    subject, data = done.subject, done.data
    boxes = ", ".join(f"{slack:g}" for slack in subject.boxes)
    how = sorted({f"{one.device} in {one.precision}" for one in done.cases})
    seconds = sorted(one.seconds for one in done.cases)
    patients = len({one.patient for one in done.cases})
    called = f", called {data.region} in the data" if data.region not in ("", subject.roi) else ""
    looked = [("Simulated boxes", f"slack of {boxes} mm, shifted by up to half of it; the first one counts")]
    size = f"{counted(len(done.cases), 'case')} of {counted(patients, 'patient')}"
    versions = ", ".join(f"{name} {version}" for name, version in done.versions.items())
    return [
        ("Model", f"{subject.title}: {subject.model.id}, version {subject.model.version}"),
        ("Model's SHA-256", small(subject.model.digest)),
        ("Trained on", small(subject.training)),
        ("Structure", f"{subject.roi}{called}"),
        *(looked if boxes else []),
        *([("Steered", DRAWN_TEXT.format(count=subject.drawn))] if subject.drawn else []),
        ("Data set", f"{data.name}: {size}, {len(done.tumours)} with a tumour"),
        ("Data's SHA-256", small(data.digest)),
        ("Run", f"{'; '.join(how)}; {seconds[0]:.1f} to {seconds[-1]:.1f} s a case"),
        ("Date", done.date),
        *([("By", done.by)] if done.by else []),
        ("Versions", versions),
    ]


def _limits(done: Commission) -> str:
    rows = []
    for one in done.judgements:
        found, limit = told(one)
        interval = "" if one.low is None else f"{shown(one.key, one.low)} to {shown(one.key, one.high)}"
        kept = badge("done", "kept") if one.passed else badge("failed", "not kept")
        rows.append((one.text, Number(f"{asked(one.key)} {limit}"), Number(found), Number(interval), kept, one.note))
    if not rows:
        return "<p>No limit was asked for.</p>"
    return table(rows, ("what", "limit", "found", "95 % interval", "", ""), "scroll")


def _cases(done: Commission) -> str:
    tolerance = f"surface Dice {done.limits.surface_tolerance_mm:g} mm"
    head = (
        *("case", "reference, mL", "outline, mL", "difference, %", "DSC", "HD95, mm", tolerance),
        *("added path, mm", "beyond tolerance", "slices", "missed", "extra"),
    )
    rows = [
        (
            one.case,
            number(one.reference_ml, 2),
            number(one.volume_ml, 2),
            number(one.difference_percent, 1),
            number(one.dsc if one.has_tumour else None, 3),
            number(one.hd95_mm, 1),
            number(one.surface_dice if one.has_tumour else None, 3),
            number(one.added_path_length_mm, 0),
            number(one.added_path_share, 2),
            *(one.slices, one.slices_missed, one.slices_extra),
        )
        for one in done.cases
    ]
    return table(rows, head, FIGURES)


def _ends(tumours: Sequence[CaseFigures]) -> list[str]:
    """Where the outline ends too early or too late; only cases where it does."""
    off = [one for one in tumours if one.ends is None or any(vars(one.ends).values())]
    if not off:
        return ["<p>Every outline begins and ends on the reference's first and last slice.</p>"]
    rows = [(one.case, *([UNDEFINED] * 4 if one.ends is None else vars(one.ends).values())) for one in off]
    head = ("case", *(f"{what} at the {end} end" for what in ("missed", "extra") for end in ("feet", "head")))
    right = len(tumours) - len(off)
    return [
        "<h2>Slices missed and extra at the ends</h2>",
        table(rows, head, FIGURES),
        f"<p>{right} of {len(tumours)} outlines begin and end on the reference's first and last slice.</p>",
    ]


def _boxes(done: Commission) -> list[str]:
    """How much the overlap depends on how the box is drawn."""
    slacks = [f"{slack:g}" for slack in sorted(done.subject.boxes)]
    if len(slacks) < 2:
        return []
    rows: list[Sequence[object]] = [
        (one.case, *(number(one.dsc_by_box[slack], 3) for slack in slacks)) for one in done.tumours
    ]
    means = (sum(one.dsc_by_box[slack] for one in done.tumours) / len(done.tumours) for slack in slacks)
    rows.append(("mean", *(number(mean, 3) for mean in means)))
    counts = f"{done.subject.boxes[0]:g}"
    head = ("DSC", *(f"{slack} mm of room{', which counts' * (slack == counts)}" for slack in slacks))
    return ["<h2>By how the box is drawn</h2>", table(rows, head, FIGURES)]


def _against(against: Against | None) -> list[str]:
    if against is None:
        return []
    verdict = "passed" if against.passed else "did not pass"
    rows = [
        (
            one.text,
            one.cases,
            number(one.earlier, 3),
            number(one.now, 3),
            Number(signed(one.difference)),
            Number("" if one.low is None or one.high is None else f"{signed(one.low)} to {signed(one.high)}"),
        )
        for one in against.changes
    ]
    head = ("mean of", "cases", "then", "now", "difference", "95 % interval")
    return [
        "<h2>Since the earlier commission</h2>",
        f"<p>Of {escape(against.date)}; it {verdict}. {against.same_outlines} of {against.common} outlines of the same "
        "cases are the same, voxel for voxel.</p>",
        *paragraphs([f"Changed: {text}." for text in against.differs], "small"),
        *paragraphs([f"No longer kept: {text}." for text in against.no_longer_kept], "failed"),
        *([table(rows, head, FIGURES)] if rows else []),
    ]


def _pictures(worst: Sequence[WorstSlice]) -> list[str]:
    if not worst:
        return []
    figures = [
        figure(
            one.picture.png,
            f"{one.case}, {one.picture.caption}: {one.added_path_length_mm:.0f} mm to correct",
            one.picture.marks,
        )
        for one in worst[:MOST_PICTURES]
    ]
    return ["<h2>Worst slices</h2>", f"<p>{PICTURES_TEXT}</p>", '<div class="pictures">', *figures, "</div>"]


def _notes(done: Commission) -> list[str]:
    """Cases that failed, and what the runs warned of."""
    failed = [f"{one.case} could not be measured: {one.reason}." for one in done.failed]
    warned = [f"{one.case}: {text}." for one in done.cases for text in one.warnings]
    heads = ["<h2>Failed cases and warnings</h2>"] if failed or warned else []
    return [*heads, *paragraphs(failed, "failed"), *paragraphs(warned, "small")]
