//! Every state against every input: what is not listed here must change nothing. Then all that can happen to a wait,
//! with the laws that hold at each step.

use super::*;
use crate::tls::Resumption;
use std::collections::BTreeSet;
use std::format;
use std::vec;

const LINK: LinkId = LinkId::new(7);
const OTHER: LinkId = LinkId::new(8);
const TRANSFER: TransferId = TransferId(3);

fn target() -> SocketAddr {
    "203.0.113.5:4000".parse().unwrap()
}

fn given() -> Given {
    Given { target: target(), form: Form::Extended }
}

fn advertised() -> Advertised {
    Advertised::plain("198.51.100.1".parse().unwrap(), 2_000)
}

fn passive() -> Setup {
    Setup::Passive { advertised: advertised(), port: 2000, form: Form::Plain }
}

fn waiting(open: bool) -> Waiting {
    Waiting {
        link: LINK,
        advertised: advertised(),
        port: 2000,
        form: Form::Plain,
        outdated: false,
        open,
        securing: false,
        candidates: vec![],
        refused: None,
        strangers: vec![],
    }
}

fn candidate(arrival: u32, own: bool) -> Candidate {
    Candidate { link: LINK.arrived(arrival), peer: target(), own }
}

/// Open waits: nobody there, somebody there, handshakes begun, somebody refused.
fn open_waits() -> Vec<Waiting> {
    let candidates = vec![candidate(1, true), candidate(2, false)];
    vec![
        waiting(true),
        Waiting { candidates: candidates.clone(), ..waiting(true) },
        Waiting { securing: true, ..waiting(true) },
        Waiting { securing: true, candidates: candidates.clone(), ..waiting(true) },
        Waiting { candidates: vec![candidate(2, false)], ..waiting(true) },
        Waiting {
            securing: true,
            candidates: vec![candidate(2, false)],
            refused: Some(Cause::NotResumed(Resumption::Foreign)),
            strangers: vec![target()],
            ..waiting(true)
        },
    ]
}

fn states() -> Vec<Link> {
    let ready = Ready { link: LINK, peer: target(), setup: passive() };
    let mut states = vec![
        Link::Idle,
        Link::Leasing(Leasing { link: LINK, open: false }),
        Link::Leasing(Leasing { link: LINK, open: true }),
        Link::Waiting(waiting(false)),
        Link::Given(given()),
        Link::Dialing(Dialing { link: LINK, given: given() }),
        Link::Ready(ready.clone()),
        Link::Securing(ready),
        Link::Moving(Moving { link: LINK, transfer: TRANSFER, setup: passive() }),
        Link::Lost(Lost { setup: Some(passive()), cause: Cause::NobodyConnected, noted: false }),
    ];
    states.extend(open_waits().into_iter().map(Link::Waiting));
    states
}

/// What concerns the link of this name.
fn inputs_about(link: LinkId) -> Vec<Input> {
    let cause = || Cause::NotResumed(Resumption::Full);
    vec![
        Input::Leased { link, port: 2000, advertised: advertised(), form: Form::Plain },
        Input::NoPort { link, cause: Cause::NoPortFree },
        Input::NoPort { link, cause: Cause::NoPortOpen },
        Input::Arrived { link: link.arrived(3), peer: target(), own: true },
        Input::Arrived { link: link.arrived(3), peer: target(), own: false },
        Input::Stranger { link, peer: target() },
        Input::Connected { link },
        Input::Failed { link, error: LinkError::Refused },
        Input::Failed { link: link.arrived(1), error: LinkError::Reset },
        Input::Chosen { link },
        Input::Chosen { link: link.arrived(1) },
        Input::Chosen { link: link.arrived(2) },
        Input::Refused { link, cause: cause() },
        Input::Refused { link: link.arrived(1), cause: cause() },
        Input::Refused { link: link.arrived(2), cause: cause() },
    ]
}

fn inputs() -> Vec<Input> {
    let mut inputs = inputs_about(LINK);
    inputs.extend([
        Input::Dial { link: LINK },
        Input::Secure,
        Input::Begin { transfer: TRANSFER },
        Input::Ended { transfer: TRANSFER },
        Input::Expired,
        Input::Reset,
    ]);
    inputs
}

fn lost(setup: Option<Setup>, cause: Cause) -> Link {
    Link::Lost(Lost { setup, cause, noted: false })
}

/// The table: what state and input lead to.
fn expected(state: &Link, input: &Input) -> (Link, Effects) {
    use Effect as E;
    let active = Some(given().setup());
    match (state, input) {
        (Link::Waiting(waiting), input) => expected_of_wait(waiting, input),
        (Link::Leasing(leasing), Input::Leased { .. }) => (Link::Waiting(waiting(leasing.open)), vec![]),
        (_, Input::Leased { link, .. }) => (state.clone(), vec![E::Release(*link), E::Drop(*link)]),
        (Link::Leasing(_), Input::NoPort { cause, .. }) => (lost(None, cause.clone()), vec![E::BecameLost]),
        (Link::Leasing(_), Input::Expired) => {
            (lost(None, Cause::NoPortFree), vec![E::Release(LINK), E::BecameLost])
        }
        (Link::Leasing(_), Input::Reset) => (Link::Idle, vec![E::Release(LINK), E::Drop(LINK)]),
        (_, Input::Arrived { link, .. }) => (state.clone(), vec![E::Drop(*link)]),
        (Link::Given(_), Input::Dial { .. }) => {
            (Link::Dialing(Dialing { link: LINK, given: given() }), vec![E::Connect(LINK, target())])
        }
        (Link::Dialing(_), Input::Connected { .. }) => {
            (Link::Ready(Ready { link: LINK, peer: target(), setup: given().setup() }), vec![E::BecameReady])
        }
        (Link::Dialing(_), Input::Failed { link: LINK, .. }) => {
            (lost(active, Cause::ConnectFailed(LinkError::Refused)), vec![E::Drop(LINK), E::BecameLost])
        }
        (Link::Dialing(_), Input::Expired) => {
            (lost(active, Cause::ConnectFailed(LinkError::TimedOut)), vec![E::Drop(LINK), E::BecameLost])
        }
        (Link::Ready(_) | Link::Securing(_), Input::Failed { link: LINK, .. }) => {
            (lost(Some(passive()), Cause::PeerLeft(LinkError::Refused)), vec![E::Drop(LINK), E::BecameLost])
        }
        (Link::Ready(ready), Input::Secure) => (Link::Securing(ready.clone()), vec![E::Secure(LINK)]),
        (Link::Securing(ready), Input::Chosen { link: LINK }) => (Link::Ready(ready.clone()), vec![]),
        (Link::Securing(_), Input::Refused { link: LINK, cause }) => {
            (lost(Some(passive()), cause.clone()), vec![E::Drop(LINK), E::BecameLost])
        }
        (Link::Securing(_), Input::Expired) => {
            (lost(Some(passive()), Cause::TlsFailed(TlsError::TimedOut)), vec![E::Drop(LINK), E::BecameLost])
        }
        (Link::Ready(_), Input::Begin { .. }) => {
            (Link::Moving(Moving { link: LINK, transfer: TRANSFER, setup: passive() }), vec![])
        }
        (Link::Moving(_), Input::Ended { .. }) => (Link::Idle, vec![E::Drop(LINK)]),
        (Link::Moving(_), Input::Reset) => (state.clone(), vec![E::Abort(TRANSFER)]),
        (Link::Idle | Link::Given(_) | Link::Lost(_), Input::Connected { .. }) => {
            (state.clone(), vec![E::Drop(LINK)])
        }
        (Link::Idle | Link::Given(_) | Link::Lost(_), Input::Reset) => (Link::Idle, vec![]),
        (Link::Dialing(_) | Link::Ready(_) | Link::Securing(_), Input::Reset) => {
            (Link::Idle, vec![E::Drop(LINK)])
        }
        _ => (state.clone(), vec![]),
    }
}

/// The rows of the table for a wait.
fn expected_of_wait(before: &Waiting, input: &Input) -> (Link, Effects) {
    use Effect as E;
    let stays = |after: Waiting, effects| (Link::Waiting(after), effects);
    let is_candidate = |link: &LinkId| before.candidates.iter().any(|candidate| candidate.link == *link);
    // The end of the wait, with all candidates but one.
    let ends = |chosen: Option<LinkId>| {
        let others = before.candidates.iter().map(|candidate| candidate.link);
        let others = others.filter(|link| Some(*link) != chosen).map(E::Drop);
        [E::Release(LINK), E::Drop(LINK)].into_iter().chain(others).collect::<Vec<_>>()
    };
    match input {
        Input::Leased { link, .. } => stays(before.clone(), vec![E::Release(*link), E::Drop(*link)]),
        Input::Connected { link } => stays(before.clone(), vec![E::Drop(*link)]),
        Input::Arrived { link, peer, .. } if !before.open => {
            let ready = Ready { link: *link, peer: *peer, setup: passive() };
            (Link::Ready(ready), vec![E::Drop(LINK), E::BecameReady])
        }
        Input::Arrived { link, peer, own } => {
            let mut after = before.clone();
            after.candidates.push(Candidate { link: *link, peer: *peer, own: *own });
            stays(after, if before.securing { vec![E::Secure(*link)] } else { vec![] })
        }
        Input::Stranger { peer, .. } => {
            let mut after = before.clone();
            after.strangers.push(*peer);
            stays(after, vec![])
        }
        Input::Secure if before.open && !before.securing => {
            let effects = before.candidates.iter().map(|candidate| E::Secure(candidate.link)).collect();
            stays(Waiting { securing: true, ..before.clone() }, effects)
        }
        Input::Chosen { link } if is_candidate(link) => {
            (Link::Ready(Ready { link: *link, peer: target(), setup: passive() }), ends(Some(*link)))
        }
        Input::Failed { link, .. } | Input::Refused { link, .. } if is_candidate(link) => {
            let mut after = before.clone();
            after.candidates.retain(|candidate| candidate.link != *link);
            let mut effects = vec![E::Drop(*link)];
            if *link == LINK.arrived(1) {
                after.refused = Some(match input {
                    Input::Refused { cause, .. } => cause.clone(),
                    _ => Cause::PeerLeft(LinkError::Reset),
                });
                effects.push(E::Hasten);
            } else {
                after.strangers.push(target());
            }
            stays(after, effects)
        }
        Input::Expired if !before.candidates.is_empty() && !before.securing => stays(before.clone(), vec![]),
        Input::Expired => {
            let cause = match (&before.refused, before.candidates.as_slice()) {
                (Some(cause), _) => cause.clone(),
                (None, []) => Cause::NobodyConnected,
                (None, [Candidate { own: true, .. }, ..]) => Cause::TlsFailed(TlsError::TimedOut),
                (None, others) => Cause::WrongPeer(others.iter().map(|other| other.peer).collect()),
            };
            let mut effects = ends(None);
            effects.push(E::BecameLost);
            (lost(Some(passive()), cause), effects)
        }
        Input::Reset => (Link::Idle, ends(None)),
        _ => stays(before.clone(), vec![]),
    }
}

#[test]
fn every_state_answers_every_input_as_the_table_says() {
    for state in states() {
        for input in inputs() {
            assert_eq!(state.clone().step(input.clone()), expected(&state, &input), "{state:?} {input:?}");
        }
    }
}

#[test]
fn what_concerns_another_link_changes_nothing_and_is_given_back() {
    for state in states() {
        for input in inputs_about(OTHER) {
            let (next, effects) = state.clone().step(input.clone());
            assert_eq!(next, state, "{input:?}");
            let want = match input {
                Input::Leased { .. } => vec![Effect::Release(OTHER), Effect::Drop(OTHER)],
                Input::Arrived { link, .. } | Input::Connected { link } => vec![Effect::Drop(link)],
                _ => vec![],
            };
            assert_eq!(effects, want, "{state:?} {input:?}");
        }
    }
}

#[test]
fn the_end_of_another_transfer_is_none() {
    for state in states() {
        let ended = Input::Ended { transfer: TransferId(4) };
        assert_eq!(state.clone().step(ended), (state, vec![]));
    }
}

/// Whose handshakes are being done, and where they come from.
#[test]
fn handshakes_are_known_by_their_links() {
    let own = LINK.arrived(1);
    for state in states() {
        let securing = match &state {
            Link::Securing(_) => vec![(LINK, true)],
            Link::Waiting(wait) if wait.securing => {
                wait.candidates.iter().map(|candidate| (candidate.link, candidate.own)).collect()
            }
            _ => vec![],
        };
        assert_eq!(state.is_securing(), !securing.is_empty(), "{state:?}");
        for link in [LINK, OTHER, own, LINK.arrived(2), LINK.arrived(3)] {
            let expected = securing.iter().find(|(known, _)| *known == link);
            assert_eq!(state.securing(link), expected.map(|(_, own)| *own), "{state:?} {link:?}");
            if expected.is_some() {
                assert_eq!(state.peer_of(link), Some(target()), "{state:?} {link:?}");
            }
        }
        assert_eq!(state.peer_of(OTHER), None, "{state:?}");
    }
}

/// One of two from the client's own address was refused: the other one keeps its time.
#[test]
fn the_time_gets_short_when_the_last_of_the_clients_own_is_refused() {
    let candidates = vec![candidate(1, true), candidate(2, true), candidate(3, false)];
    let wait = Waiting { securing: true, candidates, ..waiting(true) };
    assert!(!wait.lost_its_own() && !waiting(true).lost_its_own());
    let refused =
        |arrival| Input::Refused { link: LINK.arrived(arrival), cause: Cause::NotResumed(Resumption::Full) };
    let (state, effects) = Link::Waiting(wait).step(refused(1));
    assert_eq!(effects, [Effect::Drop(LINK.arrived(1))]);
    let (state, effects) = state.step(refused(2));
    assert_eq!(effects, [Effect::Drop(LINK.arrived(2)), Effect::Hasten]);
    assert!(matches!(state, Link::Waiting(wait) if wait.lost_its_own()));
}

#[test]
fn strangers_make_another_verdict_and_are_counted_to_a_limit() {
    let mut state = Link::Waiting(waiting(false));
    for _ in 0..10 {
        state = state.step(Input::Stranger { link: LINK, peer: target() }).0;
    }
    let (state, _) = state.step(Input::Expired);
    assert_eq!(state, lost(Some(passive()), Cause::WrongPeer(vec![target(); MAX_STRANGERS])));
}

// All that can happen to a wait.

/// So many connections come to it.
const ARRIVALS: u32 = 6;

/// What the outside holds for the session: what was not dropped of it would be forgotten.
fn held(link: &Link) -> Vec<LinkId> {
    let candidates = match link {
        Link::Waiting(waiting) => waiting.candidates.as_slice(),
        _ => &[],
    };
    link.link().into_iter().chain(candidates.iter().map(|candidate| candidate.link)).collect()
}

fn has_lease(link: &Link) -> bool {
    matches!(link, Link::Leasing(_) | Link::Waiting(_))
}

/// The links in these effects.
fn named(effects: &[Effect], name: fn(&Effect) -> Option<LinkId>) -> Vec<LinkId> {
    effects.iter().filter_map(name).collect()
}

fn dropped(effect: &Effect) -> Option<LinkId> {
    if let Effect::Drop(link) = effect { Some(*link) } else { None }
}

fn released(effect: &Effect) -> Option<LinkId> {
    if let Effect::Release(link) = effect { Some(*link) } else { None }
}

fn secured(effect: &Effect) -> Option<LinkId> {
    if let Effect::Secure(link) = effect { Some(*link) } else { None }
}

/// What holds at each step from PASV on.
fn check_step(before: &Link, input: &Input, after: &Link, effects: &[Effect]) -> Result<(), &'static str> {
    // Nothing is forgotten, and nothing dropped that is kept or was never there.
    let mut owned = held(before);
    if let Input::Arrived { link, .. } = input {
        owned.push(*link);
    }
    let mut accounted = held(after);
    accounted.extend(named(effects, dropped));
    // A lease that there is none of has nothing to drop.
    let had_nothing = matches!((before, input), (Link::Leasing(_), Input::NoPort { .. } | Input::Expired));
    if had_nothing {
        accounted.push(LINK);
    }
    owned.sort();
    accounted.sort();
    if owned != accounted {
        return Err("a link was forgotten, or dropped twice");
    }
    // The first connection ends a lease that is not open, and so does a server that has no port.
    let ended_by_server = matches!(input, Input::Arrived { .. } | Input::NoPort { .. });
    let ended = has_lease(before) && !has_lease(after) && !ended_by_server;
    if named(effects, released) != if ended { vec![LINK] } else { vec![] } {
        return Err("a lease was not released once");
    }
    let Link::Waiting(wait) = before else {
        let again = matches!(after, Link::Waiting(_)) && !matches!(before, Link::Leasing(_));
        return if again { Err("a wait began anew") } else { Ok(()) };
    };
    if let Link::Ready(ready) = after {
        let right = match input {
            Input::Chosen { link } | Input::Arrived { link, .. } => ready.link == *link,
            _ => false,
        };
        if !right {
            return Err("another one was chosen");
        }
    }
    check_wait(wait, input, after, effects)
}

/// What holds while the wait goes on.
fn check_wait(before: &Waiting, input: &Input, after: &Link, effects: &[Effect]) -> Result<(), &'static str> {
    let Link::Waiting(after) = after else { return Ok(()) };
    if after.candidates.len() > MAX_CANDIDATES || after.strangers.len() > MAX_STRANGERS {
        return Err("too many");
    }
    // Each candidate does its handshake, once.
    let was_asked =
        |link: &LinkId| before.securing && before.candidates.iter().any(|candidate| candidate.link == *link);
    let wanted: Vec<LinkId> = after
        .candidates
        .iter()
        .map(|candidate| candidate.link)
        .filter(|link| after.securing && !was_asked(link))
        .collect();
    if named(effects, secured) != wanted {
        return Err("a handshake was forgotten, or asked for twice");
    }
    // From the client's address one makes room for another such one only.
    if let Input::Arrived { own, link, .. } = input {
        let count = |wait: &Waiting| wait.candidates.iter().filter(|candidate| candidate.own).count();
        let kept = after.candidates.iter().any(|candidate| candidate.link == *link);
        if count(after) < count(before) || (*own && !kept) {
            return Err("the likely one had to go");
        }
    }
    Ok(())
}

/// What may come next when this many have arrived.
fn next_inputs(arrived: u32) -> Vec<Input> {
    let mut inputs = vec![
        Input::Leased { link: LINK, port: 2000, advertised: advertised(), form: Form::Plain },
        Input::Stranger { link: LINK, peer: target() },
        Input::Secure,
        Input::Begin { transfer: TRANSFER },
        Input::Ended { transfer: TRANSFER },
        Input::Expired,
        Input::Reset,
    ];
    if arrived < ARRIVALS {
        let link = LINK.arrived(arrived + 1);
        inputs.extend([true, false].map(|own| Input::Arrived { link, peer: target(), own }));
    }
    for link in (1..=arrived).map(|arrival| LINK.arrived(arrival)) {
        inputs.push(Input::Chosen { link });
        inputs.push(Input::Refused { link, cause: Cause::NotResumed(Resumption::Full) });
        inputs.push(Input::Failed { link, error: LinkError::Reset });
    }
    inputs
}

/// A short name of a state, to see which are known.
fn key(link: &Link, arrived: u32) -> Vec<u8> {
    let mut key = vec![u8::try_from(arrived).unwrap()];
    match link {
        Link::Waiting(wait) => {
            let refused = match wait.refused {
                None => 0,
                Some(Cause::PeerLeft(_)) => 1,
                Some(_) => 2,
            };
            let strangers = u8::try_from(wait.strangers.len()).unwrap();
            key.extend([0, u8::from(wait.securing), refused, strangers]);
            for candidate in &wait.candidates {
                key.extend([u8::try_from(candidate.link.arrival).unwrap(), u8::from(candidate.own)]);
            }
        }
        other => key.extend(format!("{other:?}").bytes()),
    }
    key
}

#[test]
fn whatever_happens_to_a_wait_nothing_is_forgotten_and_one_is_chosen_at_most() {
    for open in [true, false] {
        let mut known = BTreeSet::new();
        let mut todo = vec![(Link::Leasing(Leasing { link: LINK, open }), 0)];
        while let Some((state, arrived)) = todo.pop() {
            for input in next_inputs(arrived) {
                // A lease is answered once.
                if matches!(input, Input::Leased { .. }) && !matches!(state, Link::Leasing(_)) {
                    continue;
                }
                let (next, effects) = state.clone().step(input.clone());
                if let Err(problem) = check_step(&state, &input, &next, &effects) {
                    panic!("{problem}: {state:?}\n{input:?}\n{next:?}\n{effects:?}");
                }
                let arrived = arrived + u32::from(matches!(input, Input::Arrived { .. }));
                if known.insert(key(&next, arrived)) {
                    todo.push((next, arrived));
                }
            }
        }
        let least = if open { 15_000 } else { 20 };
        assert!(known.len() >= least, "only {} states", known.len());
    }
}
