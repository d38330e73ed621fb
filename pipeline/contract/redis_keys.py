"""Every name in Redis, with its lifetime and its longest length, so that nothing grows without a limit.

| name                      | kind      | limit                      | carries                                   |
|---------------------------|-----------|----------------------------|-------------------------------------------|
| stylize.{edge}            | RQ queue  | two jobs a session         | ids only: stream, frame                   |
| previews.{edge}           | RQ queue  | PREVIEWS_WAITING           | ids only: stream, number                  |
| mvs:blob:{stream}:{frame} | string    | KEY_FRAME_DEADLINE_MS      | KeyFrame                                  |
| mvs:preview:{stream}:{n}  | string    | PREVIEW_DEADLINE_MS        | PreviewPicture                            |
| mvs:memory:{stream}       | string    | STREAM_MEMORY_TTL_S        | StreamMemory, of 100 to 180 KB            |
| mvs:results:{gateway}     | stream    | RESULTS_MAXLEN, RESULTS_TTL_S | StylizedFrame, PreviewGrids            |
| mvs:worker:{edge}         | string    | WORKER_BEACON_S            | the model version of a worker that is there |
| mvs:gateway:{gateway}     | string    | GATEWAY_PROBE_S            | nothing; it proves that Redis can be written |
| mvs:style:{style}         | string    | STYLE_TTL_S                | an uploaded style, JPEG                   |
| mvs:thumbnail:{style}     | string    | STYLE_TTL_S                | its thumbnail, JPEG                       |
| mvs:style-keys:{style}    | sorted set| STYLE_KEYS_MAX, STYLE_TTL_S | hashes of its uploaders' keys, by time |
| mvs:styles                | sorted set| STYLES_MAX                 | ids of uploaded styles by time of last use |
| mvs:style-leases          | sorted set| STYLES_MAX, STYLE_LEASE_S  | ids of styles in use, by end of lease     |
| mvs:samples:{edge}        | stream    | SAMPLES_MAXLEN, SAMPLES_TTL_S | TrainingSample                         |
| mvs:consent:{edge}:{by}   | string    | CONSENT_TTL_S, SAMPLES_TTL_S | token of a client's consent to training |
| mvs:shared:{edge}:{by}    | list      | SAMPLES_MAXLEN, SAMPLES_TTL_S | ids of the samples that it shared      |
| mvs:weights:local         | stream, group | LOCAL_MAXLEN, LOCAL_TTL_S | WeightSnapshot of an edge              |
| mvs:weights:global        | stream    | GLOBAL_MAXLEN, GLOBAL_TTL_S | WeightSnapshot of the cloud              |
| mvs:aggregator            | string    | AGGREGATOR_LEASE_S         | the registry that may publish globals     |
| mvs:part:{maker}:{sha256}:{i} | string | as its snapshot           | at most MAX_BYTES of a snapshot's weights |
| mvs:counts                | hash      | a field for each sample    | counters of processes without /metrics    |
| mvs:roles                 | set       | ROLES_TTL_S                | names of those processes                  |
| mvs:role:{name}           | string    | ROLE_TTL_S                 | RoleReport: a sign of life, with gauges   |

Samples and weights may live in two different Redis servers: see `cloud_redis_url` in settings.
"""

#: A later answer to a key frame is useless, since the next one is already on its way.
KEY_FRAME_DEADLINE_MS = 2_000
#: Previews wait for a worker that has nothing else to do. Later than this, another frame shows more.
PREVIEW_DEADLINE_MS = 5_000
#: A queue that is longer takes no more previews. One takes a worker about 30 ms.
PREVIEWS_WAITING = 32
#: A memory that is older than this has a weight of only a twelfth, see edge.grid_model.temporal_average.
STREAM_MEMORY_TTL_S = 30
#: 64 answers are 2 MB of grids: more than 20 streams with two key frames a second get in a second.
RESULTS_MAXLEN = 64
#: The stream of a gateway that died stays for this long.
RESULTS_TTL_S = 60
#: Workers renew the beacon every second or two, and between jobs.
WORKER_BEACON_S = 6
#: Gateways write this key each second, to learn whether they could queue a key frame.
GATEWAY_PROBE_S = 10
#: Uploaded styles are forgotten after a day without use.
STYLE_TTL_S = 24 * 3600
#: 256 styles of at most 300 KB are 75 MB, and their thumbnails 8 MB.
STYLES_MAX = 256
#: So many people may upload the same photo and keep the right to delete it; the earliest lose it first.
STYLE_KEYS_MAX = 16
#: Gateways renew the leases for the styles of their sessions; those of a gateway that died end after this time.
STYLE_LEASE_S = 90
#: A key frame takes 30 ms. A job that runs for this long hangs, and its worker is needed for others.
JOB_TIMEOUT_S = 5
#: RQ keeps a finished or failed job's hash this long, for dashboards; its default for failures is a year.
JOB_TTL_S = 60

#: 512 key frames of 40 KB are 20 MB: four minutes of one stream.
SAMPLES_MAXLEN = 512
#: No picture is kept for longer than a day.
SAMPLES_TTL_S = 24 * 3600
#: A consent lasts this long without a key frame; a client shares one within a minute. Each sample that is kept prolongs
#: the consent for as long as the sample lives.
CONSENT_TTL_S = 600
#: An edge sends its weights, about a megabyte, every few minutes. After an hour they are too old to count.
LOCAL_MAXLEN, LOCAL_TTL_S = 32, 3600
#: The aggregator publishes the newest global again when it is gone.
GLOBAL_MAXLEN, GLOBAL_TTL_S = 8, 24 * 3600
#: An aggregator renews its lease in every turn. A turn with a round's hold-out pictures takes less than this.
AGGREGATOR_LEASE_S = 15
#: Processes report every second that they are alive, but a trainer on a busy machine may be late.
ROLE_TTL_S = 10
#: This is longer than any role is silent. Readers remove the names of processes that are gone.
ROLES_TTL_S = 60
#: The edge id in the snapshot of a global model.
CLOUD = "cloud"


def stylize_queue(edge_id: str) -> str:
    return f"stylize.{edge_id}"


def preview_queue(edge_id: str) -> str:
    return f"previews.{edge_id}"


def preview(stream_id: str, number: int) -> str:
    return f"mvs:preview:{stream_id}:{number}"


def blob(stream_id: str, frame_id: int) -> str:
    return f"mvs:blob:{stream_id}:{frame_id}"


def memory(stream_id: str) -> str:
    return f"mvs:memory:{stream_id}"


def results(gateway_id: str) -> str:
    return f"mvs:results:{gateway_id}"


def worker_beacon(edge_id: str) -> str:
    return f"mvs:worker:{edge_id}"


def gateway(gateway_id: str) -> str:
    return f"mvs:gateway:{gateway_id}"


def style(style_id: str) -> str:
    return f"mvs:style:{style_id}"


def thumbnail(style_id: str) -> str:
    return f"mvs:thumbnail:{style_id}"


def style_keys(style_id: str) -> str:
    return f"mvs:style-keys:{style_id}"


STYLES = "mvs:styles"
STYLE_LEASES = "mvs:style-leases"
WEIGHTS_LOCAL = "mvs:weights:local"
WEIGHTS_GLOBAL = "mvs:weights:global"
AGGREGATOR = "mvs:aggregator"
COUNTS = "mvs:counts"
ROLES = "mvs:roles"


def samples(edge_id: str) -> str:
    return f"mvs:samples:{edge_id}"


def consent(edge_id: str, shared_by: str) -> str:
    return f"mvs:consent:{edge_id}:{shared_by}"


def shared(edge_id: str, shared_by: str) -> str:
    return f"mvs:shared:{edge_id}:{shared_by}"


def role(name: str) -> str:
    return f"mvs:role:{name}"


def part(maker: str, sha256: str, index: int) -> str:
    return f"mvs:part:{maker}:{sha256}:{index}"
