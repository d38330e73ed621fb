"""Checks an offer's SDP before aiortc parses it: aiortc's parser takes quadratic time and blocks the event loop."""

from collections import Counter
from collections.abc import Sequence

from pipeline.contract.errors import BadOffer

#: A browser's offer with one video and one data section has at most 200 lines of 300 characters, and is ASCII.
MAX_LINES = 400
MAX_LINE_LENGTH = 512
MAX_SESSION_LINES = 24
#: How often each attribute may occur in a section. Chromium has 23 rtpmap and 50 rtcp-fb, and 24 ssrc with simulcast;
#: each limit leaves room for more.
MAX_ATTRIBUTES = {
    "rtpmap": 48,
    "fmtp": 48,
    "rtcp-fb": 160,
    "extmap": 24,
    "ssrc": 32,
    "ssrc-group": 8,
    "candidate": 32,
    "msid": 2,
    "fingerprint": 4,
    "group": 4,
    "msid-semantic": 2,
    "rid": 8,
    "simulcast": 2,
    "sctpmap": 4,
}
MAX_OTHERS = 8
#: aiortc copies these for each codec. Browsers name 5 kinds of feedback and at most 6 parameters.
MAX_FEEDBACK = 8
MAX_PARAMETERS = 16
MAX_CANDIDATES = 64
#: ICE checks each UDP port of a host from each of our addresses. Firefox names 2 components, each with UDP and TCP.
MAX_CANDIDATES_OF_HOST = 8


def check(sdp: str) -> None:
    """Raise BadOffer for an SDP that must not be parsed. This takes time linear in the length of the text."""
    sections = sections_of(sdp)
    session, media = sections[0], sections[1:]
    if sorted(section[0].split(" ")[0] for section in media) != ["m=application", "m=video"]:
        raise BadOffer("An offer has one video section and one for data channels.")
    if len(session) > MAX_SESSION_LINES:
        raise BadOffer("This offer has more lines about the session than any browser's.")
    for section in sections:
        check_counts(section)
        check_codecs(section)
    check_candidates([value for section in sections for value in values(section, "candidate")])
    check_bundle(session, media)


def sections_of(sdp: str) -> list[list[str]]:
    """Split an SDP into lines as aiortc's parser does: first the session's lines, then those of each m= section."""
    if not sdp.isascii() or any(ord(c) < 32 and c not in "\r\n" or ord(c) == 127 for c in set(sdp)):
        raise BadOffer("An offer's SDP is ASCII text without control characters.")
    lines = sdp.splitlines()
    if len(lines) > MAX_LINES or max(map(len, lines), default=0) > MAX_LINE_LENGTH:
        raise BadOffer("This offer has more or longer lines than any browser's.")
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections


def check_counts(section: Sequence[str]) -> None:
    counts = Counter(name_of(line) for line in section)
    for name, count in counts.items():
        if count > MAX_ATTRIBUTES.get(name, MAX_OTHERS):
            raise BadOffer("This offer repeats a line more often than any browser's.")


def check_codecs(section: Sequence[str]) -> None:
    """Check that each payload type is described once, and does not have too much feedback or too many parameters."""
    described = [value.split(" ")[0] for value in values(section, "rtpmap")]
    formats = values(section, "fmtp")
    feedback = Counter(value.split(" ")[0] for value in values(section, "rtcp-fb"))
    for_all = feedback.pop("*", 0)
    if len(set(described)) < len(described) or len({value.split(" ")[0] for value in formats}) < len(formats):
        raise BadOffer("This offer describes a payload type twice.")
    if max(feedback.values(), default=0) + for_all > MAX_FEEDBACK:
        raise BadOffer("This offer has more feedback for a codec than any browser's.")
    if any(value.count(";") >= MAX_PARAMETERS for value in formats):
        raise BadOffer("This offer has more parameters for a codec than any browser's.")


def check_candidates(candidates: Sequence[str]) -> None:
    hosts = Counter(words[4] for value in candidates if len(words := value.split()) > 4)
    if len(candidates) > MAX_CANDIDATES or max(hosts.values(), default=0) > MAX_CANDIDATES_OF_HOST:
        raise BadOffer("This offer has more candidates than any browser's.")


def check_bundle(session: Sequence[str], media: Sequence[Sequence[str]]) -> None:
    """Check that all sections are in one BUNDLE group, since aiortc cannot close a section outside of it."""
    mids = [values(section, "mid") for section in media]
    groups = [value.split() for value in values(session, "group")]
    bundled = [group[1:] for group in groups if group[:1] == ["BUNDLE"]]
    if len(bundled) != 1 or any(len(mid) != 1 for mid in mids) or sorted(bundled[0]) != sorted(sum(mids, [])):
        raise BadOffer("An offer has each section's mid once, and bundles them all.")
    if len(set(bundled[0])) < len(bundled[0]):
        raise BadOffer("An offer's sections have mids of their own.")


def name_of(line: str) -> str:
    """Return the attribute's name in an a= line, or the type of another line."""
    return line[2:].split(":", 1)[0] if line.startswith("a=") else line[:2]


def values(section: Sequence[str], name: str) -> list[str]:
    """Return the values of all a=name: lines."""
    begin = f"a={name}:"
    return [line.removeprefix(begin) for line in section if line.startswith(begin)]
