"""What takes more than one transfer to show."""


from laboratory import HERE

CROWD = 100


def one_port_serves_a_crowd(laboratory, runtime):
    """One open port behind a router, a hundred clients of three addresses outside and one inside, all at once."""
    run = laboratory.run(
        "nat-external", runtime,
        ["@home", "nft", "-f", laboratory.folder / "firewall" / "home-nat.nft"],
        ["@fw", laboratory.python, HERE / "crowd.py", CROWD],
        settings=("LAB_PASV_MIN=41000", "LAB_PASV_MAX=41000"), timeout=120)
    answer, = run.answers
    assert not answer["wrong"], "\n".join(answer["wrong"])
    assert answer["under_way"] == answer["done"] == CROWD, answer
    outside = {host: ["198.51.100.1:41000"] for host in ("client", "client2", "homeclient", "homeclient2")}
    assert answer["told"] == outside | {"inside": ["10.0.0.2:41000"]}, answer["told"]


def checks(laboratory, runtime):
    for story in (one_port_serves_a_crowd,):
        yield story.__name__.replace("_", " "), lambda story=story: story(laboratory, runtime)
