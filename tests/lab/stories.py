"""What takes more than one transfer, or other settings than the lab's, to show."""

import collections
import json

from laboratory import HERE, named, verdicts

# Clients at once through one port.
CROWD = 100
# Transfers at once through eight ports: one of them gets through two open ones, and one does not.
TRANSFERS = 24


def one_port_serves_a_crowd(laboratory, runtime):
    """One open port behind a router, a hundred clients of three addresses outside and one inside, all at once."""
    run = laboratory.run(
        "nat-external", runtime,
        ["@home", "nft", "-f", laboratory.folder / "firewall" / "home-nat.nft"],
        ["@fw", laboratory.python, HERE / "crowd.py", CROWD],
        settings=("LAB_PASV_MIN=41000", "LAB_PASV_MAX=41000"), timeout=120, FTPD_STALL="60")
    answer, = run.answers
    assert not answer["wrong"], "\n".join(answer["wrong"])
    assert answer["under_way"] == answer["done"] == CROWD, answer
    outside = {host: ["198.51.100.1:41000"] for host in ("client", "client2", "homeclient", "homeclient2")}
    assert answer["told"] == outside | {"inside": ["10.0.0.2:41000"]}, answer["told"]


def a_client_of_several_addresses(laboratory, runtime):
    """Where a provider's NAT gives the data connection another address: by proof under TLS, else by permission."""
    for passive, transfers in (
        ("", {"PASV": "refused", "EPSV --tls": "refused"}),
        ("tls_proof = true", {"PASV": "refused", "PASV --tls": "ok", "EPSV --tls": "ok"}),
        ('tls_proof = false\npeer_check = "same-network"', {"PASV": "ok", "EPSV --tls": "ok"}),
        ('tls_proof = false\nclient_networks = ["203.0.113.30/31"]', {"PASV": "ok", "EPSV --tls": "ok"}),
    ):
        run = laboratory.run("two-egress", runtime, *map(laboratory.probe, transfers), FTPD_PASSIVE=passive)
        outcomes = [answer["outcome"] for answer in run.answers]
        assert outcomes == list(transfers.values()), f"{passive!r}: {transfers} were expected: {run.answers}"


def a_router_that_maps_ports(laboratory, runtime):
    """Clients outside are told the router's ports, those inside the server's own."""
    load = ["@fw", "nft", "-f", HERE / "mapped.nft"]
    outside = [laboratory.probe(transfer) for transfer in ("PASV", "PASV --tls", "EPSV", "EPSV --tls")]
    inside = laboratory.probe("PASV", host="inside", to="10.0.0.2")
    run = laboratory.run("nat-external", runtime, load, *outside, inside, FTPD_PASSIVE='exposed_ports = "51000-51003"',
                         settings=("LAB_PASV_MIN=41000", "LAB_PASV_MAX=41003"))
    assert [answer["outcome"] for answer in run.answers] == ["ok"] * 5, run.answers
    *outside, inside = [answer["announced"] for answer in run.answers]
    assert all(51000 <= port <= 51003 for _, port in outside), outside
    assert inside[0] == "10.0.0.2" and 41000 <= inside[1] <= 41003, inside


def on_server(laboratory, script, *words):
    """A script on the server's host, as one of the clients; what it says is among the answers."""
    return ["@server", laboratory.python, HERE / "tell.py", "sh", "-c", script, "sh", *words]


def told(laboratory, *words):
    """A command for the running server."""
    return on_server(laboratory, 'RUNTIME_DIRECTORY="$LAB_STATE" exec "$FTPD_PROGRAM" "$@"', *words)


def settings_change_while_it_runs(laboratory, runtime):
    """The ports the firewall lets in, and the router's address, are set without a restart."""
    for scenario, command, before in (
        ("wrong-range", ("set", "passive-ports", "42000-42099"), "blocked"),
        ("nat", ("set", "external-address", "198.51.100.1"), "wrong-address"),
    ):
        transfer = laboratory.probe("PASV")
        run = laboratory.run(scenario, runtime, transfer, told(laboratory, *command), transfer)
        first, done, second = run.answers
        assert first["outcome"] == before, first
        assert done["code"] == 0, done
        assert second["outcome"] == "ok", (done, second)


def the_servers_own_firewall(laboratory, runtime):
    """It is mostly closed: the verdict and `firewall check` say so, `firewall apply` mends it; a rule that is removed by
    hand is missed again."""
    def firewall(*words):
        script = 'exec "$FTPD_PROGRAM" firewall "$@" --config "$LAB_STATE/ftpd.toml"'
        return on_server(laboratory, script, *words)

    crowd = laboratory.probe("EPSV", times=TRANSFERS)
    forget = "nft delete rule inet filter input handle $(nft -a list chain inet filter input |"\
             " sed -n '/ftpd.*passive/s/.* handle //p')"
    run = laboratory.run(
        "open", runtime, ["@server", "nft", "-f", HERE / "host.nft"], crowd,
        firewall("check", "--json"), firewall("apply"), firewall("check", "--json"), crowd,
        on_server(laboratory, forget), firewall("check", "--json"), settings=("LAB_PASV_MAX=41007",))
    said = [answer for answer in run.answers if "code" in answer]
    outcomes = [answer["outcome"] for answer in run.answers if "outcome" in answer]
    before, after = collections.Counter(outcomes[:TRANSFERS]), collections.Counter(outcomes[TRANSFERS:])
    assert before["ok"] and before["blocked"] and set(before) == {"ok", "blocked"}, before
    # Ports are taken at random: the server knows that some are open as soon as somebody has come through one.
    tried = outcomes[:TRANSFERS]
    last_blocked = TRANSFERS - 1 - tried[::-1].index("blocked")
    suspect = "range_partly_open" if "ok" in tried[:last_blocked] else "range_closed"
    assert verdicts(run)[-1].get("suspect") == suspect, (tried, verdicts(run)[-1])
    closed, applied, mended, forgotten, missed = said
    assert closed["code"] == 2 and missing(closed) == [[41002, 41007]], closed
    assert applied["code"] == 0, applied
    assert mended["code"] == 0 and missing(mended) == [], mended
    assert after == {"ok": TRANSFERS}, (applied, after)
    assert forgotten["code"] == 0, forgotten
    assert missed["code"] == 2 and missing(missed) == [[41002, 41007]], missed


def the_doctor_finds_it_from_outside(laboratory, runtime):
    """`ftpd doctor --from`, run on a client's host, names what is in the way."""
    script = 'FTPD_PASSWORD=lab exec "$FTPD_PROGRAM" doctor --from "$LAB_TARGET:21" --user lab --insecure --also-clear'
    doctor = [laboratory.python, HERE / "tell.py", "sh", "-c", f"{script} --timeout 2 --json"]
    for scenario, finding in (
        ("range", "outside-ok"),
        ("stateful", "tls-blinds-firewall"),
        ("wrong-range", "data-timeout"),
        ("nat", "pasv-address-private"),
        ("nat-external", "outside-ok"),
        ("nat-alg", "nat-rewrites-227"),
    ):
        run = laboratory.run(scenario, runtime, doctor)
        answer, = run.answers
        found = [finding["id"] for finding in json.loads(answer["output"])["findings"]]
        assert finding in found, f"{finding} was expected in {scenario}: {answer}"
        assert (finding == "outside-ok") == (answer["code"] < 2), answer


def missing(answer):
    """The ports that `firewall check` misses."""
    findings = json.loads(answer["output"])["findings"]
    return [ports for finding in findings if finding["id"] == "missing" for ports in finding["ports"]]


STORIES = (
    one_port_serves_a_crowd,
    a_client_of_several_addresses,
    a_router_that_maps_ports,
    settings_change_while_it_runs,
    the_servers_own_firewall,
    the_doctor_finds_it_from_outside,
)


def checks(laboratory, runtime):
    for story in STORIES:
        yield named(story), lambda story=story: story(laboratory, runtime)
