"""Members of public classes that packages call on each other's objects, and no user has a use for.

They have plain names, since other rooms and other packages call them; the reference and the list of
features leave them out, so nothing that is public rests on them. What overrides a member of a base
that is public, or of another library, is that base's feature and needs no entry.
"""

from __future__ import annotations

INNER: dict[str, str] = {
    # The machine tells its journals, contexts, events and transitions.
    "am_machine.BaseMachine": "check_thread handler_failed let_go",
    "am_machine.Event": "keep",
    "am_machine.Journal": "filled note note_handlers note_queued open rebase",
    "am_machine.Mutation": "is_auto= is_check= states=",
    "am_machine.StateContext": "expire",
    "am_machine.Transition": "drop freeze move replan",
    # Handlers of pipes ask them; pipes and outputs tell graphs; histories share a store's threads.
    "am_helpers.Graph": "end_of_pipe mention pipe_changed",
    "am_helpers.Pipe": "passes report",
    "am_helpers.Query": "ranges tick_ranges",
    "am_helpers.SqliteStore": "ask begin end writer",
    "am_helpers.testing.Guard": "add_own",
    # The parts of a server or a client tell each other what happens on the connection.
    "am_rpc.Access": "declared settled",
    "am_rpc.Client": "abandon accepts_offline agree call check_args consume deliver disown give_up "
    "grow is_flushing look_at lose_written new_net next_id on_touch origin outbox_shrank "
    "pass_payloads reaches refusal restart_ids settle shake_hands source_touched stop_requested "
    "submit submit_error submit_one_way subscribe tell_touch watch_calls when_flushed when_idle",
    "am_rpc.Limits": "declared settled",
    "am_rpc.NetworkMachine": "adopt apply apply_records reshape went_back wire_states",
    "am_rpc.Retry": "declared settled",
    "am_rpc.Server": "leave_stale max_hops readable report source_disposed tell_source",
    "am_rpc.Serving": "still_takes",
    "am_rpc.Sync": "declared settled",
    # Supervisors ask launchers, and launchers for other hosts have a base that asks them.
    "am_node.MemoryLauncher": "entry_of",
    "am_node.SshLauncher": "end judge prefix_for sweep take_line watch",
    "am_node.slurm.SlurmLauncher": "end judge prefix_for sweep take_line watch",
    # Endpoints and replicas of a topic tell of themselves.
    "am_pubsub.Topic": "record_moved record_replaced",
    "am_pubsub.TopicConfig": "limits",
    "am_pubsub.Watcher": "put",
    "am_pubsub.testing.MemoryNetwork": "doubles enter find hop leave loses number overtakes",
    # Made by `setup_prometheus` alone; and what only a writer of dumps keeps the books by.
    "am_telemetry.PrometheusEndpoint": "folder= gateway= is_free= listener= service=",
    "am_telemetry.dbg.DumpFile": "entries_message opens_chunk room",
}


def inner(owner: str) -> frozenset[str]:
    """The members and keywords of a class, by its path, that are none of its features."""
    return frozenset(INNER.get(owner, "").split())
