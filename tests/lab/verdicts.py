"""What the server says when a firewall, a router or a proxy keeps a data connection from it.

Each row of CASES is a scenario of the lab with some transfers, one after another. Of the last one must be right: the
outcome for the client, the verdict and its suspect in the log, and words of the reply. The ones before let the
server learn what gets through; without them it can tell less, and must not claim more.
"""

import collections

from laboratory import named, verdicts

Case = collections.namedtuple("Case", "scenario transfers outcome kind suspect words")

CASES = (
    # The range is closed in the firewall. An FTP filter that TLS blinds looks the same until one came without TLS.
    Case("wrong-range", ["EPSV"], "blocked", "nobody_connected", "range_closed", ["41000-41099", "firewall"]),
    Case("wrong-range", ["EPSV --tls"], "blocked", "nobody_connected", "range_closed", ["41000-41099", "firewall"]),
    Case("drop-synack", ["EPSV"], "blocked", "nobody_connected", "range_closed", ["41000-41099", "firewall"]),
    Case("stateful", ["EPSV --tls"], "blocked", "nobody_connected", "range_closed", ["41000-41099", "TLS"]),
    Case("stateful", ["EPSV", "EPSV --tls"], "blocked", "nobody_connected", "inspection_blinded", ["reading FTP", "TLS"]),
    Case("stateful-v6", ["EPSV", "EPSV --tls"], "blocked", "nobody_connected", "inspection_blinded", ["reading FTP", "TLS"]),
    # Active mode.
    Case("range-no-outbound", ["PORT"], "blocked", "connect_timed_out", "active_blocked", ["203.0.113.10", "passive mode"]),
    Case("stateful", ["PORT", "PORT --tls"], "blocked", "connect_timed_out", "active_blinded", ["TLS", "passive mode"]),
    Case("client-firewall", ["PORT", "EPRT --tls"], "blocked", "connect_timed_out", "active_blinded", ["TLS", "passive mode"]),
    # The address in 227.
    Case("nat", ["PASV"], "wrong-address", "nobody_connected", "address_private", ["10.0.0.2", "external address"]),
    Case("nat", ["PASV --tls"], "wrong-address", "nobody_connected", "address_private", ["10.0.0.2", "external address"]),
    Case("nat-alg", ["PASV", "PASV --tls"], "wrong-address", "nobody_connected", "rewriting_blinded",
         ["10.0.0.2", "TLS", "external address"]),
    Case("nat-alg", ["EPSV", "EPSV --tls"], "blocked", "nobody_connected", "inspection_blinded", ["reading FTP", "TLS"]),
    Case("nat-alg-external", ["EPSV", "PASV"], "blocked", "nobody_connected", "address_or_helper", ["198.51.100.1", "EPSV"]),
    Case("nat-alg-external", ["EPSV --tls", "EPSV", "PASV"], "blocked", "nobody_connected", "helper_conflict",
         ["198.51.100.1", "rewrites FTP", "EPSV"]),
    # The client's own network.
    Case("two-egress", ["PASV"], "refused", "wrong_peer", "egress_pool", ["203.0.113.30", "203.0.113.31"]),
    Case("two-egress", ["PASV --tls"], "refused", "wrong_peer", "egress_pool", ["203.0.113.30", "203.0.113.31"]),
    # The reply comes after the probe has given up, so only the log tells.
    Case("pmtu-blackhole", ["PASV --timeout 4"], "stalled", "stalled", "path_mtu", []),
)


def check_case(laboratory, runtime, case):
    run = laboratory.run(case.scenario, runtime, *map(laboratory.probe, case.transfers))
    answer = run.answers[-1]
    assert len(run.answers) == len(case.transfers), run.answers
    assert answer["outcome"] == case.outcome, f"{case.outcome} was expected: {answer}"
    verdict = verdicts(run)[-1]
    assert (verdict["verdict"], verdict.get("suspect")) == (case.kind, case.suspect), f"{case.suspect}? {verdict}"
    if case.words:
        check_words(answer["said"], "425", case.words)


def check_words(said, code, words):
    assert said and said.startswith(f"{code} "), f"{code} was expected: {said!r}"
    missing = [word for word in words if word.lower() not in said.lower()]
    assert not missing, f"the reply lacks {missing}: {said!r}"


def a_range_that_is_partly_open(laboratory, runtime):
    """Which ports get through, shows after a few connections: those that don't are named then."""
    run = laboratory.run("range-too-small", runtime, laboratory.probe("EPSV", times=24),
                         settings=("LAB_PASV_MAX=41019",))
    outcomes = collections.Counter(answer["outcome"] for answer in run.answers)
    assert outcomes["ok"] and outcomes["blocked"], outcomes
    last = verdicts(run)[-1]
    assert last.get("suspect") == "range_partly_open", last
    said = [answer["said"] for answer in run.answers if answer["outcome"] == "blocked"]
    # The first of them may have been told before anybody came through.
    check_words(next((words for words in said if "part of" in words), said[-1]), "425", ["41000-41019", "part of"])


def a_private_address_in_port(laboratory, runtime):
    """It is refused at once, with what to do instead."""
    for argument in ("PORT", "EPRT --tls"):
        run = laboratory.run("home-nat", runtime, laboratory.probe(argument))
        answer, = run.answers
        assert answer["outcome"] == "refused", answer
        check_words(answer["detail"], "500", ["192.168.7.10", "203.0.113.30", "NAT", "passive mode"])


def a_thief_on_the_passive_port(laboratory, runtime):
    """The stranger gets nothing, the client does, and the log names the stranger."""
    thief = ["sh", "-c", 'exec "$@" --thief-netns "/var/run/netns/$LAB_PREFIX-client2"', "sh",
             laboratory.python, laboratory.folder / "ftp_probe.py", "10.0.0.2", "STEAL"]
    run = laboratory.run("open", runtime, thief)
    answer, = run.answers
    assert answer["outcome"] == "ok", answer
    named = [line for line in run.log if "203.0.113.20" in str(line)]
    assert named, "the log does not name the thief"


def a_proxy_that_says_nothing(laboratory, runtime):
    """From a proxy's address each connection begins with a PROXY header: one without is told no, and the log says why."""
    run = laboratory.run("open", runtime, laboratory.probe("EPSV"), settings=("LAB_PROXY_FROM=203.0.113.10",))
    answer, = run.answers
    assert answer["outcome"] == "failed", answer
    lines = [line for line in run.log if "PROXY" in str(line)]
    assert lines and "203.0.113.10" in str(lines), f"the log does not say what is missing: {run.log}"


STORIES = (a_range_that_is_partly_open, a_private_address_in_port, a_thief_on_the_passive_port, a_proxy_that_says_nothing)


def checks(laboratory, runtime):
    for case in CASES:
        title = f"verdict of {case.scenario}, {', '.join(case.transfers).replace(' --timeout 4', '')}"
        yield title, lambda case=case: check_case(laboratory, runtime, case)
    for story in STORIES:
        yield f"verdict of {named(story)}", lambda story=story: story(laboratory, runtime)
