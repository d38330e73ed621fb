"""What is fuzzed, by name; each module holds the targets of one protocol."""

from harness import Target
from targets.channels import CONTROL, SCTP
from targets.grids import ANSWERS, CHUNKS, GRID, WORDS
from targets.jobs import JOB, RECORD
from targets.media import PAYLOAD, RTCP, RTP, VIDEO
from targets.messages import MESSAGES, REPORT
from targets.offers import OFFER, SDP
from targets.pictures import FRAME, STRIP, UPLOAD
from targets.requests import HEAD
from targets.stun import MDNS, STUN

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        HEAD,
        OFFER,
        SDP,
        STUN,
        MDNS,
        RTP,
        RTCP,
        PAYLOAD,
        VIDEO,
        SCTP,
        CONTROL,
        FRAME,
        STRIP,
        UPLOAD,
        MESSAGES,
        REPORT,
        JOB,
        RECORD,
        GRID,
        CHUNKS,
        ANSWERS,
        WORDS,
    )
}
