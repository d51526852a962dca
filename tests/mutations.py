"""The guards that `make mutation-proof` breaks on purpose, and the test that must notice each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """A guard, the line that keeps it, what stands there when it is broken, and the test that must notice."""

    guard: str
    file: str
    line: str
    broken: str
    test: str


MUTATIONS = (
    Mutation(
        "whoever changed is not shown as the snapshot knew them",
        "apps/pipeline/filters/eligibility.py",
        "return positions_in(request.stale, numbers) >= 0",
        'return np.zeros(len(numbers), "?")',
        "tests/pipeline/test_stale_rows.py",
    ),
    Mutation(
        "a Valkey that evicted keys is not believed",
        "apps/delivery/runtime.py",
        "if evicted:",
        "if False:",
        "tests/delivery/test_stores_away.py::"
        "test_a_valkey_that_evicted_keys_is_not_believed_until_all_of_them_are_back",
    ),
    Mutation(
        "an exception is never quoted in a log line",
        "apps/common/logs.py",
        "return _Named(name_of(value)) if isinstance(value, BaseException) else value",
        "return value",
        "tests/common/test_logs.py::test_an_exception_among_the_values_is_named_only",
    ),
    Mutation(
        "a live release that nobody approved is counted",
        "apps/releases/unapproved.py",
        "return given.exclude(approver__in=list(writers)).exists()",
        "return True",
        "tests/releases/test_unapproved.py::test_without_an_approval_only_a_small_reach_allows",
    ),
    Mutation(
        "whoever was shown more often than the cap is counted",
        "apps/delivery/overshoot.py",
        "GROUP BY candidate HAVING count(*) > %(cap)s\n) AS overshot",
        "GROUP BY candidate HAVING count(*) > %(cap)s + 1\n) AS overshot",
        "tests/delivery/test_overshoot.py::test_as_often_as_the_cap_allows_is_no_overshoot_and_once_more_is",
    ),
    Mutation(
        "nobody under 18 is eligible",
        "apps/pipeline/filters/predicates.py",
        "(today - birth_date < ADULT * YEAR)",
        "(today - birth_date < 0)",
        "tests/pipeline/filters/test_rules.py::test_eighteen_today_is_adult_and_eighteen_tomorrow_is_not",
    ),
    Mutation(
        "without a birth date nobody is eligible",
        "apps/pipeline/filters/predicates.py",
        "NOT_ADULT * ((birth_date <= 0) | ",
        "NOT_ADULT * ((birth_date < 0) & ",
        "tests/pipeline/filters/test_rules.py",
    ),
    Mutation(
        "a block is honoured both ways by the next request",
        "apps/delivery/state.py",
        "np.concatenate([self.blocked, self.related, self.seen, self.held])",
        "np.concatenate([self.related, self.seen, self.held])",
        "tests/delivery/test_services.py::test_a_block_is_honoured_at_once_both_ways",
    ),
    Mutation(
        "whoever was blocked is told of it too",
        "apps/interactions/online.py",
        "    _add(facts, online.global_key(effect.target), theirs)\n",
        "",
        "tests/delivery/test_services.py::test_a_block_is_honoured_at_once_both_ways",
    ),
    Mutation(
        "the last guard drops whoever is gone",
        "apps/delivery/ledger.py",
        "if gone[i] == 1 or held",
        "if gone[i] == 2 or held",
        "tests/delivery/test_ledger.py::test_the_reserve_fills_the_place_of_whoever_is_gone",
    ),
    Mutation(
        "whoever is hidden is in no list after the acknowledgement, whatever a process still believes",
        "apps/delivery/ledger.py",
        "if gone[i] == 1 or held",
        "if gone[i] == 2 or held",
        "tests/faults/test_blocks.py"
        "::test_whoever_is_hidden_is_in_no_list_that_is_asked_after_the_acknowledgement",
    ),
    Mutation(
        "a block is acknowledged once every list knows of it",
        "apps/interactions/services.py",
        "    tell(effects, [_deed(row, now) for row in kept], untold)\n",
        "    deeds = [_deed(row, now) for row in kept]\n"
        '    __import__("threading").Timer(0.3, tell, (effects, deeds, untold)).start()\n',
        "tests/faults/test_blocks.py"
        "::test_whoever_is_blocked_is_in_no_list_that_is_asked_after_the_acknowledgement[ranked]",
    ),
    Mutation(
        "events are acknowledged once they are on the disk",
        "apps/interactions/services.py",
        "set_config('synchronous_commit', 'on', true)",
        "set_config('synchronous_commit', 'off', true)",
        "tests/faults/test_first_faults.py"
        "::test_postgres_killed_under_events_loses_no_acknowledged_one_and_stores_none_twice",
    ),
    Mutation(
        "the broker keeps a task until it is done",
        "raya_recs/settings/base.py",
        "CELERY_TASK_ACKS_LATE = True",
        "CELERY_TASK_ACKS_LATE = False",
        "tests/faults/test_workers.py::test_a_killed_workers_task_is_taken_up_again_by_another",
    ),
    Mutation(
        "hidden and stopped members are published as gone",
        "apps/common/online.py",
        '        write_safely("gone", lambda client: client.sadd(GONE[kind], *wanted), safety=True)',
        "        pass",
        "tests/members/test_members.py::test_who_may_not_be_shown_is_gone_before_it_is_acknowledged_and_back_after",
    ),
    Mutation(
        "a repeated request leaves out whoever was blocked since",
        "apps/delivery/serve.py",
        "blocked = _blocked(prepared.state, numbers)",
        "blocked = gone = gone & False",
        "tests/delivery/test_services.py::test_a_repeat_leaves_out_whoever_was_blocked_or_hidden_since",
    ),
    Mutation(
        "the cap is never overshot",
        "apps/delivery/ledger.py",
        "used + current >= daily",
        "used + current > daily",
        "tests/delivery/test_ledger.py::test_the_cap_is_exact_under_64_callers",
    ),
    Mutation(
        "counting is one step: whoever reads first and writes then overshoots",
        "apps/delivery/ledger.py",
        '    answer = cast("list[Any]", RESERVE.run(keys, args))\n',
        "    from apps.common.valkey import ask\n\n"
        '    before = ask("HMGET", keys[2], *order.candidates.tolist())\n'
        '    answer = cast("list[Any]", RESERVE.run(keys, args))\n'
        "    hour = int(order.now // 3600).to_bytes(4, 'little')\n"
        "    for i in _positions(answer[1]) if answer[0] == 1 else ():\n"
        "        count = int.from_bytes((before[i] or b'')[-2:], 'little') + 1\n"
        '        ask("HSET", keys[2], order.candidates[i].item(), hour + count.to_bytes(2, "little"))\n',
        "tests/faults/test_caps.py::test_no_cap_is_overshot_by_64_processes_and_hardly_any_is_left_unused",
    ),
    Mutation(
        "each candidate has a cap of their own",
        "apps/delivery/ledger.py",
        "if each then daily, hourly = struct.unpack('<I2I2', ARGV[3], i * 4 - 3) end",
        "",
        "tests/delivery/test_ledger.py::test_caps_of_their_own_are_exact_under_64_callers",
    ),
    Mutation(
        "an hourly cap is never overshot",
        "apps/delivery/ledger.py",
        "last + current >= hourly",
        "current >= hourly",
        "tests/delivery/test_ledger.py::test_an_hourly_cap_holds_in_any_60_minutes",
    ),
    Mutation(
        "a rule that ended does nothing",
        "apps/pipeline/rules_loop.py",
        "now >= times[1, r]",
        "now > times[1, r]",
        "tests/pipeline/ranking/test_boosts.py::test_expired_boost_leaves_score_unchanged",
    ),
    Mutation(
        "a rule that staff switched off does nothing",
        "apps/pipeline/rules.py",
        "spec.key not in dead",
        "True",
        "tests/pipeline/ranking/test_boosts.py::test_a_killed_boost_leaves_score_unchanged",
    ),
    Mutation(
        "masks that are not whole are refused",
        "apps/pipeline/masks.py",
        "if checksum_of(path) != checksums[name]:",
        "if False:",
        "tests/pipeline/test_masks.py::test_a_file_that_is_not_whole_is_refused_and_built_again",
    ),
    Mutation(
        "another generation of the online state is refused",
        "apps/delivery/ledger.py",
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end",
        "",
        "tests/delivery/test_ledger.py::test_another_generation_refuses_and_leaves_nothing_behind",
    ),
    Mutation(
        "nothing is taken from before the months that are kept",
        "apps/interactions/windows.py",
        'kept_since("interactions_event") if backfill',
        "datetime(2000, 1, 1, tzinfo=now.tzinfo) if backfill",
        "tests/interactions/test_upkeep.py::test_what_was_dropped_is_not_taken_again_by_any_way",
    ),
    Mutation(
        "lists that were answered without Valkey hold people back afterwards",
        "apps/interactions/rebuild.py",
        "        _write_held_without_valkey(client)\n",
        "",
        "tests/interactions/test_catching_up.py"
        "::test_lists_that_were_answered_without_valkey_hold_people_back_when_it_is_believed_again",
    ),
    Mutation(
        "a Valkey that was emptied during its rebuild is not believed",
        "apps/interactions/rebuild.py",
        " or online.has_evicted(client):",
        ":",
        "tests/interactions/test_catching_up.py::test_who_was_emptied_during_a_rebuild_is_not_believed",
    ),
    Mutation(
        "what is stored is kept to be told",
        "apps/interactions/storing.py",
        "FROM new HAVING count(*) > 0 RETURNING id",
        "FROM new HAVING false RETURNING id",
        "tests/interactions/test_catching_up.py::test_a_process_that_died_before_it_told_is_made_up_for",
    ),
    Mutation(
        "nothing is forgotten as told while Valkey is not believed",
        "apps/interactions/telling.py",
        "    AND (%s OR (SELECT trusted FROM common_onlinestate WHERE id = 1))",
        "    AND (%s OR true)",
        "tests/interactions/test_catching_up.py::"
        "test_while_valkey_is_not_believed_what_was_told_is_kept_to_be_told_again",
    ),
    Mutation(
        "what was taken back stays so when the older word comes late",
        "apps/common/online.py",
        "      fresh[#fresh + 1] = record\n",
        "      if string.byte(record, 6) > 0 then fresh[#fresh + 1] = record end\n",
        "tests/common/test_online.py::test_what_was_taken_back_before_it_was_told_stays_so",
    ),
    Mutation(
        "an id used at once for two things is given to one",
        "apps/interactions/checks.py",
        "if digest == digest_of(body, context_of(body), body.occurred_at.isoformat()):",
        "if True:",
        "tests/interactions/test_concurrency.py::test_an_id_used_at_once_for_two_things_is_given_to_one",
    ),
    Mutation(
        "an accepted event is stored",
        "apps/interactions/storing.py",
        "    FROM given JOIN new USING (id)\n), facts AS (",
        "    FROM given JOIN new USING (id) WHERE false\n), facts AS (",
        "tests/interactions/test_events.py::test_an_event_sent_again_is_a_duplicate_and_stored_once",
    ),
    Mutation(
        "the same id with other content is refused",
        "apps/interactions/checks.py",
        "if digest == digest_of(body, context_of(body), body.occurred_at.isoformat()):",
        "if True:",
        "tests/interactions/test_events.py::test_an_id_used_again_with_other_content_is_refused_within_and_across_batches",
    ),
    Mutation(
        "only an approver publishes",
        "apps/releases/audit.py",
        "if actor is not None and not actor.has_perm(PUBLISH):",
        "if False:",
        "tests/releases/test_approvals.py::test_an_editor_can_not_publish_what_another_wrote",
    ),
    Mutation(
        "what an approver did not see is not published",
        "apps/releases/locks.py",
        "draft.version != version",
        "False",
        "tests/releases/test_services.py::test_publishing_a_version_that_the_approver_did_not_see_is_a_conflict",
    ),
    Mutation(
        "a second edit of one version overwrites nothing",
        "apps/releases/locks.py",
        "draft.version != version",
        "False",
        "tests/releases/test_services.py::test_an_edit_of_another_version_is_a_conflict_and_saves_nothing",
    ),
    Mutation(
        "of two edits at the same moment one wins",
        "apps/releases/locks.py",
        'Revision.objects.select_for_update(of=("self",))',
        "Revision.objects",
        "tests/releases/test_races.py::test_of_two_edits_of_one_version_exactly_one_wins_a_thousand_times",
    ),
    Mutation(
        "whoever wrote in a draft does not approve it",
        "apps/releases/approvals.py",
        "if draft.contributors.filter(pk=actor.pk).exists():",
        "if False:",
        "tests/releases/test_approvals.py::"
        "test_whoever_wrote_in_a_draft_can_neither_approve_nor_publish_it_alone",
    ),
    Mutation(
        "an approval by somebody who wrote in it later is worth nothing",
        "apps/releases/approvals.py",
        "one.approver_id not in writers",
        "True",
        "tests/releases/test_approvals.py::test_an_approval_by_who_wrote_in_it_afterwards_is_worth_nothing",
    ),
    Mutation(
        "an author who approves publishes only with somebody else's yes",
        "apps/releases/publishing.py",
        "    elif missing := second_person_missing(draft, pointer.stable):",
        '    elif missing := "":',
        "tests/releases/test_approvals.py::"
        "test_whoever_wrote_in_a_draft_can_neither_approve_nor_publish_it_alone",
    ),
    Mutation(
        "a lowered guard needs a second person however few it reaches",
        "apps/releases/approvals.py",
        "if lowered := lowers_a_guard(live.content, revision.content):",
        "if lowered := []:",
        "tests/releases/test_approvals.py::"
        "test_a_lowered_cap_guard_needs_a_second_person_however_small_the_reach",
    ),
    Mutation(
        "a reach of yesterday is not believed",
        "apps/releases/approvals.py",
        "        measured_at__gte=now() - REACH_FRESH,\n",
        "",
        "tests/releases/test_approvals.py::test_without_a_reach_of_this_very_content_nothing_is_published",
    ),
    Mutation(
        "a reach against another release is not believed",
        "apps/releases/approvals.py",
        "        based_on=live,\n",
        "",
        "tests/releases/test_approvals.py::"
        "test_a_reach_that_was_measured_against_another_release_is_worth_nothing",
    ),
    Mutation(
        "an editor of one surface changes nothing of another",
        "apps/releases/rights.py",
        "for surface in sorted(set(surfaces) - allowed):",
        "for surface in sorted(set(surfaces) - allowed - set(surfaces)):",
        "tests/console/access/test_roles.py::test_an_editor_of_one_surface_changes_nothing_of_another",
    ),
    Mutation(
        "a page opens to nobody without its right",
        "apps/console/page.py",
        "if not request.user.has_perm(permission):",
        "if False:",
        "tests/console/access/test_doors.py::test_a_page_opens_to_nobody_without_its_right",
    ),
    Mutation(
        "a password alone opens no page",
        "apps/console/access/verified.py",
        "return not settings.TWO_FACTOR or bool(user.is_verified())  # type: ignore[union-attr]",
        "return True",
        "tests/console/access/test_second_step.py::test_a_password_alone_opens_no_page_but_the_second_step",
    ),
    Mutation(
        "wrong codes are slowed down",
        "apps/console/access/verified.py",
        "    if allowed:\n",
        "    if True:\n",
        "tests/console/access/test_second_step.py::test_wrong_codes_are_slowed_down",
    ),
    Mutation(
        "a publish long after the login asks who it is",
        "apps/console/access/verified.py",
        "return bool(time.time() - request.session.get(CONFIRMED, 0) < settings.CONFIRMED_SECONDS)",
        "return True",
        "tests/console/access/test_doors.py"
        "::test_a_publish_long_after_the_login_asks_who_it_is_and_then_goes_on_with_what_was_posted",
    ),
    Mutation(
        "whoever guesses passwords locks nobody else out",
        "raya_recs/settings/base.py",
        'AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]',
        'AXES_LOCKOUT_PARAMETERS = ["username"]',
        "tests/console/access/test_doors.py"
        "::test_five_wrong_passwords_lock_the_name_out_from_that_address_alone",
    ),
    Mutation(
        "no list of a named member is previewed without a reason",
        "apps/common/looks.py",
        "if not 3 <= len(reason) <= LONGEST:",
        "if False:",
        "tests/console/test_preview.py"
        "::test_without_a_reason_nothing_is_shown_and_a_reason_counts_for_the_same_member",
    ),
    Mutation(
        "a look at a member stands in the trail",
        "apps/common/looks.py",
        '        action="member.looked_at",\n',
        '        action="member.seen",\n',
        "tests/console/test_preview.py::test_a_preview_shows_three_lists_and_leaves_a_look_in_the_audit_trail",
    ),
    Mutation(
        "one side's secret is kept from staff without that right",
        "apps/delivery/services.py",
        "if found.private and not private:",
        "if False:",
        "tests/delivery/test_why_not.py",
    ),
    Mutation(
        "only trust and safety ask for secrets",
        "apps/console/inspect/why_not.py",
        "        private=request.user.has_perm(PRIVATE),\n",
        "        private=True,\n",
        "tests/console/test_preview.py::test_one_sides_secret_is_told_to_trust_and_safety_alone",
    ),
    Mutation(
        "an emergency is reviewed by somebody else",
        "apps/releases/publishing.py",
        "if emergency.by_id == actor.pk:",
        "if False:",
        "tests/console/test_drafts.py::test_an_emergency_is_loud_until_another_approver_reviewed_it",
    ),
    Mutation(
        "an end takes away its own release alone",
        "apps/releases/ends.py",
        "if overtaken := _overtaken(row, pointer, back):",
        'if overtaken := "":',
        "tests/releases/test_ends.py::test_an_end_that_was_overtaken_does_nothing_and_says_so",
    ),
    Mutation(
        "two clocks end a release once",
        "apps/releases/ends.py",
        "if row.status != Status.WAITING or row.at > now():",
        "if row.at > now():",
        "tests/releases/test_races.py::test_two_clocks_end_a_release_once",
    ),
    Mutation(
        "a candidate that was turned back is not rolled back to",
        "apps/releases/publishing.py",
        "        _must_have_been_live(to)\n",
        "",
        "tests/releases/test_approvals.py::"
        "test_a_rollout_turned_back_leaves_the_stable_release_and_can_not_be_rolled_back_to",
    ),
    Mutation(
        "what was taken off the schedule stays off",
        "apps/releases/schedule.py",
        "    return row.status == Revision.Status.SCHEDULED and row.publish_at == draft.publish_at\n",
        "    return True\n",
        "tests/releases/test_schedule.py::test_a_draft_taken_off_the_schedule_while_it_is_prepared_stays_off",
    ),
    Mutation(
        "a kill switch reaches the next list",
        "apps/releases/selectors.py",
        "        killed=frozenset(row.killed),\n",
        "",
        "tests/delivery/test_rules.py::"
        "test_a_rule_that_is_switched_off_does_nothing_and_works_again_when_that_is_lifted",
    ),
    Mutation(
        "a killed flag is off",
        "apps/releases/dealing.py",
        "now < self.ends_at or self.switch in killed:\n            return False",
        "now < self.ends_at:\n            return False",
        "tests/delivery/test_flags.py::test_values_have_their_types_and_a_killed_flag_is_off_at_once",
    ),
    Mutation(
        "no condition asks for gender or orientation",
        "apps/pipeline/conditions.py",
        'Attribute("age", NUMBER, _age),\n',
        'Attribute("age", NUMBER, _age),\n        Attribute("gender", NUMBER, _plain("gender")),\n',
        "tests/policies/test_conditions.py::test_what_is_for_mutual_eligibility_alone_is_no_attribute",
    ),
    Mutation(
        "no condition asks for a word that stands in for them",
        "apps/policies/conditions.py",
        "        if is_sensitive(value):\n",
        "        if False:\n",
        "tests/policies/test_conditions.py::test_words_that_stand_in_for_orientation_or_gender_are_refused",
    ),
    Mutation(
        "a filter always wins over a boost, a share and a pin",
        "apps/pipeline/retrieval/search.py",
        "    who = eligibility.who(request)\n",
        "    who = eligibility.who(request)\n    who = who if request.rules is None else (0, *who[1:])\n",
        "tests/pipeline/ranking/test_boosts.py::test_a_filter_always_wins_over_a_boost",
    ),
    Mutation(
        "retrieval looks for the best by the pacer's prices",
        "apps/pipeline/retrieval/search.py",
        "    return _search(request, priced_candidates(request), start",
        "    return _search(request, data.candidates, start",
        "tests/pipeline/retrieval/test_prices.py::test_the_pacer_lifts_those_whom_a_share_target_means",
    ),
    Mutation(
        "prices that were summed for some rules are not those of others",
        "apps/pipeline/retrieval/prices.py",
        "    key = (request.snapshot.id, paced, given)\n",
        "    key = (request.snapshot.id, None, given)\n",
        "tests/pipeline/retrieval/test_prices.py::test_prices_are_summed_once_for_each_set_of_rules",
    ),
    Mutation(
        "a newcomer's subsidy ends",
        "apps/pipeline/retrieval/prices.py",
        "np.maximum(1.0 - shown[rows >= 0] / max(params.newcomer_stop, 1), 0.0)",
        "np.maximum(1.0 - shown[rows >= 0] / 1e9, 0.0)",
        "tests/pipeline/retrieval/test_prices.py"
        "::test_a_subsidy_falls_evenly_with_each_time_shown_and_ends_at_the_stop_and_after_two_weeks",
    ),
    Mutation(
        "a list that was ranked narrower is replayed as narrow",
        "apps/delivery/replay.py",
        'widths=Widths(*row.inputs["widths"]) if "widths" in row.inputs else FULL,',
        "widths=FULL,",
        "tests/delivery/test_replay.py::test_a_list_that_was_ranked_narrower_is_replayed_as_narrow",
    ),
    Mutation(
        "no block is skipped that holds somebody without a limit",
        "apps/pipeline/blocks.py",
        "    limit[limit == 0] = UNLIMITED\n",
        "",
        "tests/pipeline/test_layout.py::test_the_bounds_of_a_block_hold_for_every_row",
    ),
    Mutation(
        "a snapshot whose vectors are not what its manifest says is refused",
        "apps/pipeline/snapshot.py",
        "if column.dtype != (stored if name in VECTORS else dtype) or",
        "if",
        "tests/delivery/test_harmed_snapshots.py"
        "::test_vectors_of_another_kind_are_refused_however_well_they_are_signed",
    ),
    Mutation(
        "vectors that are stored as bfloat16 are decoded for whoever takes rows",
        "apps/pipeline/snapshot.py",
        "[rows]\n        return decoded(column) if name in VECTORS else column\n",
        "[rows]\n        return column\n",
        "tests/pipeline/test_run.py::test_vectors_stored_as_bfloat16_are_those_numbers_to_every_stage",
    ),
    Mutation(
        "a block is skipped only by rules that refuse everybody in it",
        "apps/pipeline/retrieval/scan.py",
        "youngest >= (who[W_AGE_MAX] + 1) * YEAR",
        "youngest >= who[W_AGE_MAX] * YEAR",
        "tests/pipeline/retrieval/test_search.py::test_who_stands_on_every_bound_is_in_no_block_that_is_skipped",
    ),
    Mutation(
        "the best are exact when more than twice as many come",
        "apps/pipeline/retrieval/scan.py",
        "kept[h], least[h] = most[h], ranks[h, most[h] - 1]",
        "kept[h], least[h] = most[h], ranks[h, 0]",
        "tests/pipeline/retrieval/test_search.py",
    ),
    Mutation(
        "a fit that is no number is nobody's best",
        "apps/pipeline/retrieval/scan.py",
        "if bits & EXPONENT == EXPONENT:",
        "if False:",
        "tests/pipeline/retrieval/test_search.py::test_a_fit_that_is_no_number_comes_last",
    ),
    Mutation(
        "a compiled pass is renewed when a file that it uses changes",
        "apps/pipeline/compiled.py",
        '            function.__qualname__ += f"_{_digest(uses)}"\n',
        "            pass\n",
        "tests/pipeline/test_compiled.py::test_a_pass_is_compiled_anew_when_a_file_that_it_uses_changes",
    ),
    Mutation(
        "a rule is only about those whom its mask holds",
        "apps/pipeline/ranking/boosts.py",
        "multiply(words, rules",
        "multiply(words | ~words, rules",
        "tests/pipeline/ranking/test_boosts.py::test_a_boost_multiplies_phi_of_whom_it_is_about",
    ),
    Mutation(
        "the policy's hourly cap stands",
        "apps/pipeline/ranking/caps.py",
        "caps[:] = request.params.daily_cap, request.params.hourly_cap",
        "caps[:] = request.params.daily_cap, 0",
        "tests/pipeline/ranking/test_caps.py",
    ),
    Mutation(
        "of several caps the tightest applies",
        "apps/pipeline/ranking/multiply.py",
        "limit < caps[i, k]",
        "limit > caps[i, k]",
        "tests/pipeline/ranking/test_caps.py",
    ),
    Mutation(
        "a question to a hung Postgres is cut off",
        "apps/delivery/truth.py",
        "            wire.cut()",
        "            pass",
        "tests/delivery/test_truth.py::test_questions_to_a_hung_postgres_are_cut_off_and_their_threads_are_free_again",
    ),
    Mutation(
        "nobody asks while a breaker is open",
        "apps/common/breaker.py",
        "        if now - self.since < rest:",
        "        if now < self.since:",
        "tests/common/test_breaker.py::test_an_open_breaker_lets_one_through_after_a_rest_and_nobody_before",
    ),
    Mutation(
        "a replay leaves out who was at a cap then",
        "apps/delivery/replay.py",
        "np.union1d(told.excluded, told.capped) if len(told.capped) else told.excluded",
        "told.excluded",
        "tests/delivery/test_replay.py::test_who_was_at_a_cap_then_is_left_out_again",
    ),
    Mutation(
        "a replay is the same only when the whole slate is",
        "apps/delivery/replay.py",
        'same = digest_of(slate) == row.inputs["slate"]',
        "same = True",
        "tests/delivery/test_replay.py::test_what_differs_is_named_place_by_place",
    ),
    Mutation(
        "an erasure takes packed rows of newcomers along",
        "apps/interactions/erasure.py",
        "@> to_jsonb(%(number)s::integer) THEN NULL",
        "@> to_jsonb(%(number)s::integer) THEN viewer_state",
        "tests/delivery/test_replay.py::test_an_erased_viewer_is_said_and_an_erased_newcomers_row_is_gone",
    ),
    Mutation(
        "a page about one member asks why",
        "apps/common/staff.py",
        'member = None if "button" in request.POST else self.looks_at(request, obj)',
        "member = None",
        "tests/console/test_inspection.py::test_a_page_about_one_member_asks_why_and_keeps_the_reason",
    ),
    Mutation(
        "a last list keeps the caps of its day",
        "apps/delivery/last_lists.py",
        '        kept["caps"] = slate.caps[:count]',
        "        pass",
        "tests/delivery/test_ladder.py::test_a_last_list_stays_within_the_caps",
    ),
    Mutation(
        "a broken source is named",
        "apps/delivery/ladder.py",
        '            yield f"source:{stage.stage}"',
        "            yield from ()",
        "tests/delivery/test_ladder.py::test_a_broken_source_costs_its_candidates_and_is_named",
    ),
    Mutation(
        "the line before a process is bounded",
        "apps/api/shedding.py",
        "            if len(self._waiting) >= self._most_waiting and not self._made_room(is_background):",
        "            if False:",
        "tests/api/test_shedding.py::test_who_finds_the_line_full_is_sent_away_at_once",
    ),
    Mutation(
        "what was asked less of and taken back stays so, in any order",
        "apps/interactions/signals.py",
        "if not at or string.byte(record, 18) > string.byte(data, at + 17) then",
        "if true then",
        "tests/delivery/test_signals.py::test_less_like_this_counts_at_once_until_it_is_undone_in_any_order",
    ),
    Mutation(
        "of those above their score at most half are likers",
        "apps/pipeline/reranking/likes.py",
        "explored / (1.0 + explored))",
        "1.0)",
        "tests/pipeline/reranking/test_likes.py"
        "::test_of_those_above_their_score_at_most_half_are_likers_at_every_place",
    ),
    Mutation(
        "no page reads the traces of thousands of deliveries itself",
        "apps/interactions/recent.py",
        "return RecentFigure.objects.filter(surface=surface).first()",
        "return (count_recent(), RecentFigure.objects.filter(surface=surface).first())[1]",
        "tests/console/test_knobs.py::test_a_page_counts_no_lists_itself_and_before_a_worker_did_no_share_is_claimed",
    ),
    Mutation(
        "a search for what one member did asks why",
        "apps/interactions/admin.py",
        "return None if number_of(term) is None else term",
        "return None",
        "tests/console/test_inspection.py::test_a_search_for_what_one_member_did_asks_why_and_is_logged",
    ),
    Mutation(
        "a study holds back whoever reached the draft's cap",
        "apps/delivery/trips.py",
        "(used >= caps)",
        "(used > caps)",
        "tests/delivery/test_preview.py::test_a_study_counts_whom_a_lower_cap_of_the_draft_would_hold_back",
    ),
    Mutation(
        "the API is answered in UTC, whatever zone a cookie names",
        "apps/console/time_zone.py",
        'if not request.path_info.startswith(reverse("admin:index")):',
        "if False:",
        "tests/console/test_time_zone.py"
        "::test_the_cookie_counts_on_staff_pages_alone_and_only_when_it_names_a_zone",
    ),
    Mutation(
        "a form is read in the zone it was drawn in",
        "apps/console/time_zone.py",
        'drawn_in = zone_of(request.POST.get(FIELD)) if request.method == "POST" else None',
        "drawn_in = None",
        "tests/console/test_time_zone.py::test_a_form_is_read_in_the_zone_it_was_drawn_in",
    ),
    Mutation(
        "times that nobody touched stay, in any zone",
        "apps/console/rules/widgets.py",
        "if text == _shown_time(one.stored, one):",
        "if False:",
        "tests/console/test_time_zone.py::test_an_entry_opened_and_saved_unchanged_keeps_its_times"
        "[2026-10-25T00:30:00Z-2026-10-25T01:30:00Z-Europe/Paris]",
    ),
    Mutation(
        "one flag or variant turns no knob twice",
        "apps/console/rules/variants.py",
        "if one.knob in found:",
        "if False:",
        "tests/console/test_variants.py::test_the_same_knob_twice_in_a_flag_is_refused_and_never_picked_by_chance",
    ),
    Mutation(
        "a changed manifest is refused",
        "apps/pipeline/snapshot.py",
        "if manifest_text(manifest) != text:",
        "if False:",
        "tests/refresh/test_services.py::test_a_harmed_snapshot_is_refused[manifest]",
    ),
    Mutation(
        "what is fetched is checked against the manifest",
        "apps/refresh/store.py",
        "if checksum_of(file) != checksum:",
        "if False:",
        "tests/refresh/test_store.py"
        "::test_what_did_not_arrive_as_it_was_published_is_refused_and_fetched_again_later",
    ),
    Mutation(
        "a name in a manifest leads nowhere but into the snapshot's folder",
        "apps/refresh/store.py",
        "if file.parent != unfinished:",
        "if False:",
        "tests/refresh/test_store.py::test_a_name_that_leads_out_of_the_folder_is_refused",
    ),
)
