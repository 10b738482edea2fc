"""Acceptance 16: the graph of machines."""

from __future__ import annotations

import gc
import json
import random
import time
import weakref
from itertools import pairwise
from typing import Any

import pytest

import am_helpers as amh
import am_machine as am

pytest.importorskip("networkx")


class Base(am.States):
    Foo = am.State(auto=True)
    Bar = am.State(multi=True, require=[Foo], remove=["Baz"])
    Baz = am.State(add=[Foo], after=[Foo])


class Child(Base, am.States):
    Own = am.State()


def edges(graph: amh.Graph, prefix: str) -> set[tuple[str, str, str]]:
    return {(a, b, key) for a, b, key in graph.nx.edges(keys=True) if key.startswith(prefix)}


def test_machines_states_relations_and_parents_are_nodes_and_edges(machine: Any) -> None:
    parent = machine(Base, id="p", tags=["a", "b:1"])
    child = machine(Child, id="c", parent=parent)
    child.add("Own")
    graph = amh.Graph.from_machines(parent, child)
    assert graph.machines == ("p", "c")
    node = graph.nx.nodes["c"]
    assert node["parent"] == "p"
    assert node["state_names"] == ("Foo", "Bar", "Baz", "Own", "Exception")
    assert set(node["active"]) == {"Foo", "Own"}
    assert graph.nx.nodes["p"]["tags"] == ("a", "b:1")
    foo = graph.nx.nodes["c:Foo"]
    assert (foo["auto"], foo["multi"], foo["inherited_from"]) == (True, False, "Base")
    assert graph.nx.nodes["c:Own"]["inherited_from"] == ""
    assert graph.nx.nodes["p:Foo"]["inherited_from"] == ""
    assert len(edges(graph, "has")) == 4 + 5
    assert {e for e in edges(graph, "relation:") if e[0].startswith("p:")} == {
        ("p:Bar", "p:Foo", "relation:require"),
        ("p:Bar", "p:Baz", "relation:remove"),
        ("p:Baz", "p:Foo", "relation:add"),
        ("p:Baz", "p:Foo", "relation:after"),
    }
    assert edges(graph, "child_of") == {("c", "p", "child_of")}


def test_a_live_graph_follows_growth_submachines_and_dispose(machine: Any) -> None:
    mach = machine({"Foo": {}}, id="m")
    graph = amh.Graph.from_machines(mach, live=True)
    amh.copy_schema({"New": {"multi": True}}, mach, ["New"])
    assert graph.nx.nodes["m:New"]["multi"]
    assert graph.nx.nodes["m"]["state_names"][-1] == "New"
    child = machine({"Foo": {}}, id="child", parent=mach)
    grandchild = machine({"Foo": {}}, id="grandchild", parent=child)
    assert graph.machines == ("m", "child", "grandchild")
    grandchild.dispose()
    assert "grandchild" not in graph.nx
    assert "grandchild:Foo" not in graph.nx
    child.dispose()
    assert graph.machines == ("m",)
    mach.dispose()
    assert len(graph.nx) == 0


def test_a_live_graph_follows_pipes(machine: Any) -> None:
    src, tgt = machine(Base, id="s"), machine(Base, id="t")
    graph = amh.Graph.from_machines(src, tgt, live=True)
    pipe = amh.bind(src, tgt, "Foo", "Bar")
    both = {("s:Foo", "t:Bar", "pipe:add"), ("s:Foo", "t:Bar", "pipe:remove")}
    assert edges(graph, "pipe:") == both
    pipe.detach()
    assert edges(graph, "pipe:") == set()
    amh.bind_any(src, tgt)
    assert edges(graph, "pipe:") == {("s", "t", "pipe:add"), ("s", "t", "pipe:remove")}
    tgt.dispose()
    assert edges(graph, "pipe:") == set()


def test_placeholders_resolve(machine: Any) -> None:
    parent = machine(Base, id="p")
    src, tgt = machine(Base, id="s", parent=parent), machine(Base, id="t")
    amh.bind(src, tgt, "Foo", "Bar")
    graph = amh.Graph.from_machines(src)
    assert [graph.nx.nodes[m]["known"] for m in ("s", "t", "p")] == [True, False, False]
    assert ("s", "t", "pipe:add") in edges(graph, "pipe:")
    graph.add_machine(tgt)
    graph.add_machine(parent)
    assert all(graph.nx.nodes[m]["known"] for m in ("s", "t", "p"))
    assert edges(graph, "pipe:") == {
        ("s:Foo", "t:Bar", "pipe:add"),
        ("s:Foo", "t:Bar", "pipe:remove"),
    }


def test_pipes_of_another_process_are_edges_between_machines(machine: Any) -> None:
    mach = machine(Base, id="m")
    mach.sem_log.pipe_out("add", "Foo", "far")
    mach.sem_log.pipe_in("remove", "Foo", "away")
    graph = amh.Graph.from_machines(mach)
    assert edges(graph, "pipe:") == {("m", "far", "pipe:add"), ("away", "m", "pipe:remove")}
    graph.connect("m", "far", "127.0.0.1:1")
    assert graph.nx.edges["m", "far", "connected_to"]["addr"] == "127.0.0.1:1"


def test_fifty_machines_of_twenty_states_are_a_graph_within_a_second(machine: Any) -> None:
    rng = random.Random(3)
    names = [f"S{i}" for i in range(20)]
    schema = am.Schema({n: {"require": rng.sample(names, 2)} for n in names})
    machines = [machine(schema, id=f"m{i}") for i in range(50)]
    for src, tgt in pairwise(machines):
        amh.bind_many(src, tgt, names[:5])
    start = time.thread_time()  # what it takes, whatever else runs beside
    graph = amh.Graph.from_machines(*machines)
    spent = time.thread_time() - start
    print(f"50 x 20: {spent:.2f} s, {len(graph.nx)} nodes, {graph.nx.number_of_edges()} edges")
    assert len(graph.nx) == 50 * 22
    assert len(edges(graph, "pipe:")) == 49 * 5 * 2
    assert spent <= 1


def test_machines_that_are_still_named_become_placeholders_again(machine: Any) -> None:
    one, two = machine({"Foo": {}}, id="one"), machine({"Foo": {}}, id="two")
    graph = amh.Graph.from_machines(one, two, live=True)
    graph.connect("one", "two", "127.0.0.1:1")
    two.dispose()
    assert graph.machines == ("one",)
    assert not graph.nx.nodes["two"]["known"]
    assert graph.nx.edges["one", "two", "connected_to"]["addr"] == "127.0.0.1:1"
    graph.remove_machine("nobody")


def test_near_takes_links_then_families(machine: Any) -> None:
    a, b, c = (machine({"Foo": {}}, id=name) for name in "abc")
    child = machine({"Foo": {}}, id="child", parent=b)
    amh.bind(a, b, "Foo")
    amh.bind(b, c, "Foo")
    graph = amh.Graph.from_machines(a, b, c, child)
    assert set(graph.near(["a"], 0, 0).machines) == {"a"}
    assert set(graph.near(["a"], 1, 0).machines) == {"a", "b"}
    assert set(graph.near(["a"], 1, 1).machines) == {"a", "b", "child"}
    assert set(graph.near(["a"], 2, 0).machines) == {"a", "b", "c"}
    assert "a:Foo" in graph.near(["a"]).nx
    assert graph.near(["nope"]).machines == ()


def test_texts_show_the_present_and_escape_foreign_names(machine: Any) -> None:
    mach = machine(Base, id='we"ird\n# x', tags=["<b>*"])
    other = machine(Base, id="other", parent=mach)
    graph = amh.Graph.from_machines(mach, other)
    mach.add("Foo")
    plain = graph.inspect()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["machines"]['we"ird\n# x']["active"] == ["Foo"]
    assert plain["machines"]["other"]["states"]["Bar"]["multi"] is True
    markdown = graph.markdown()
    assert '## we"ird \\# x (\\<b\\>\\*)' in markdown
    assert "- Foo (auto, **active**)" in markdown
    dot = graph.to_dot()
    assert 'label="we\\"ird\\n# x"' in dot
    assert all(line.count('"') % 2 == 0 for line in dot.replace('\\"', "").splitlines())


def test_a_clone_and_a_closed_graph_stay_as_they_are(machine: Any) -> None:
    mach = machine({"Foo": {}}, id="m")
    graph = amh.Graph.from_machines(mach, live=True)
    clone = graph.clone()
    graph.close()
    assert mach.tracers == ()
    mach.dispose()
    assert graph.machines == clone.machines == ("m",)


def test_a_graph_keeps_no_machine_alive() -> None:
    mach = am.Machine({"Foo": {}}, id="m")
    graph = amh.Graph.from_machines(mach, live=True)
    known = weakref.ref(mach)
    del mach
    gc.collect()
    assert known() is None
    assert graph.markdown().startswith("## m")
    assert "Foo" in amh.mermaid(graph)
    child = am.Machine(Child, id="c")
    graph.add_machine(child)
    del child
    gc.collect()
    drawn = amh.d2(graph, only=("^Ba",))
    assert "remove" in drawn
    assert '"Own"' not in drawn


def test_a_machine_and_a_state_may_spell_alike(machine: Any) -> None:
    # The state B of `a` and the machine `a:B` would be one node.
    odd, plain = machine({"Foo": {}}, id="a:B"), machine({"B": {}}, id="a", tags=["x"])
    odder = machine({"B": {}}, id="a:B:", parent=odd)
    for order in ((odd, plain, odder), (odder, plain, odd)):
        graph = amh.Graph.from_machines(*order)
        amh.bind(plain, odd, "B", "Foo")
        assert set(graph.machines) == {"a:B", "a", "a:B:"}
        graph.connect("a", "a:B")
        assert set(graph.inspect()["machines"]) == {"a:B", "a", "a:B:"}
        assert graph.machine("a:B") is odd
        assert set(graph.near(["a:B"], 1, 0).machines) == {"a:B", "a"}
        for text in (amh.mermaid(graph), amh.d2(graph), graph.markdown(), graph.to_dot()):
            assert "a:B" in text
        graph.remove_machine("a:B")
        assert set(graph.machines) == {"a", "a:B:"}


def test_replicas_are_connected_to_what_they_are_replicas_of(machine: Any) -> None:
    source = machine({"Foo": {}}, id="source")
    replica = machine({"Foo": {}}, id="rnm-source", tags=["rpc-netmach", "src-id:source"])
    graph = amh.Graph.from_machines(replica)
    assert edges(graph, "connected_to") == {("rnm-source", "source", "connected_to")}
    assert not graph.nx.nodes["source"]["known"]
    graph.add_machine(source)
    assert graph.nx.nodes["source"]["known"]
    graph.connect("rnm-source", "source", "127.0.0.1:1")
    graph.add_machine(replica)
    assert graph.nx.edges["rnm-source", "source", "connected_to"]["addr"] == "127.0.0.1:1"
    alone = machine({"Foo": {}}, id="alone", tags=["src-id:alone", "src-id:"])
    assert edges(amh.Graph.from_machines(alone), "connected_to") == set()


def test_pipes_that_share_an_edge_keep_it_until_the_last_is_gone(machine: Any) -> None:
    src, tgt = machine(Base, id="s"), machine(Base, id="t")
    graph = amh.Graph.from_machines(src, tgt, live=True)
    one, two = amh.bind(src, tgt, "Foo", "Bar"), amh.bind(src, tgt, "Foo", "Bar", flat=True)
    both = {("s:Foo", "t:Bar", "pipe:add"), ("s:Foo", "t:Bar", "pipe:remove")}
    one.detach()
    assert edges(graph, "pipe:") == both
    two.detach()
    assert edges(graph, "pipe:") == set()


def test_a_live_graph_equals_one_made_anew_whatever_came_and_went(machine: Any) -> None:
    rng = random.Random(7)
    machines = [machine(Base, id=f"m{i}") for i in range(6)]
    live = amh.Graph.from_machines(*machines[:4], live=True)
    pipes: list[amh.Pipe] = []
    known = 4
    for step in range(120):
        if pipes and rng.random() < 0.45:
            pipes.pop(rng.randrange(len(pipes))).detach()
        else:
            src, tgt = rng.sample(machines, 2)
            make = rng.choice((amh.bind_any, lambda s, t: amh.bind(s, t, "Foo", "Bar")))
            pipes.append(make(src, tgt))
        if step in (40, 80):
            live.add_machine(machines[known])
            known += 1
            for mach in machines:  # all of them: bind_any needs the same states
                amh.copy_schema({f"New{step}": {}}, mach, [f"New{step}"])
        anew = amh.Graph.from_machines(*machines[:known])
        assert edges(live, "pipe:") == edges(anew, "pipe:")
