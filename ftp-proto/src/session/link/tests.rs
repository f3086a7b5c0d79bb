//! Every state against every input: what is not listed here must change nothing.

use super::*;
use std::vec;

const LINK: LinkId = LinkId::new(7);
const OTHER: LinkId = LinkId::new(8);
const TRANSFER: TransferId = TransferId(3);

fn target() -> SocketAddr {
    "203.0.113.5:4000".parse().unwrap()
}

fn advertised() -> IpAddr {
    "198.51.100.1".parse().unwrap()
}

fn passive() -> Setup {
    Setup::Passive { advertised: advertised(), port: 2000, extended: false }
}

fn waiting(strangers: Vec<SocketAddr>) -> Link {
    Link::Waiting(Waiting { link: LINK, advertised: advertised(), port: 2000, extended: false, strangers })
}

fn states() -> Vec<Link> {
    vec![
        Link::Idle,
        Link::Leasing(Leasing { link: LINK }),
        waiting(vec![]),
        Link::Given(Given { target: target() }),
        Link::Dialing(Dialing { link: LINK, target: target() }),
        Link::Ready(Ready { link: LINK, setup: passive() }),
        Link::Moving(Moving { link: LINK, transfer: TRANSFER, setup: passive() }),
        Link::Lost(Lost { setup: Some(passive()), cause: Cause::NobodyConnected, noted: false }),
    ]
}

fn inputs(link: LinkId) -> Vec<Input> {
    vec![
        Input::Leased { link, port: 2000, advertised: advertised(), extended: false },
        Input::NoPort { link, cause: Cause::NoPortFree },
        Input::NoPort { link, cause: Cause::NoPortOpen },
        Input::Arrived { link },
        Input::Stranger { link, peer: target() },
        Input::Dial { link },
        Input::Connected { link },
        Input::Failed { link, error: LinkError::Refused },
        Input::Begin { transfer: TRANSFER },
        Input::Ended { transfer: TRANSFER },
        Input::Expired,
        Input::Reset,
    ]
}

/// The table: what state and input lead to, for the link's own name.
fn expected(state: &Link, input: &Input) -> (Link, Effects) {
    let release_and_drop = || vec![Effect::Release(LINK), Effect::Drop(LINK)];
    let lost = |setup, cause| Link::Lost(Lost { setup, cause, noted: false });
    let active = Some(Setup::Active(target()));
    match (state, input) {
        (Link::Leasing(_), Input::Leased { .. }) => (waiting(vec![]), vec![]),
        (_, Input::Leased { .. }) => (state.clone(), release_and_drop()),
        (Link::Leasing(_), Input::NoPort { cause, .. }) => {
            (lost(None, cause.clone()), vec![Effect::BecameLost])
        }
        (Link::Waiting(_), Input::Arrived { .. }) => {
            (Link::Ready(Ready { link: LINK, setup: passive() }), vec![Effect::BecameReady(LINK)])
        }
        (Link::Waiting(_), Input::Stranger { .. }) => (waiting(vec![target()]), vec![]),
        (Link::Waiting(_), Input::Expired) => {
            let mut effects = release_and_drop();
            effects.push(Effect::BecameLost);
            (lost(Some(passive()), Cause::NobodyConnected), effects)
        }
        (Link::Given(_), Input::Dial { .. }) => {
            (Link::Dialing(Dialing { link: LINK, target: target() }), vec![Effect::Connect(LINK, target())])
        }
        (Link::Dialing(_), Input::Connected { .. }) => (
            Link::Ready(Ready { link: LINK, setup: Setup::Active(target()) }),
            vec![Effect::BecameReady(LINK)],
        ),
        (Link::Dialing(_), Input::Failed { .. }) => (
            lost(active, Cause::ConnectFailed(LinkError::Refused)),
            vec![Effect::Drop(LINK), Effect::BecameLost],
        ),
        (Link::Dialing(_), Input::Expired) => (
            lost(active, Cause::ConnectFailed(LinkError::TimedOut)),
            vec![Effect::Drop(LINK), Effect::BecameLost],
        ),
        (Link::Ready(_), Input::Failed { .. }) => (
            lost(Some(passive()), Cause::PeerLeft(LinkError::Refused)),
            vec![Effect::Drop(LINK), Effect::BecameLost],
        ),
        (Link::Ready(_), Input::Begin { .. }) => {
            (Link::Moving(Moving { link: LINK, transfer: TRANSFER, setup: passive() }), vec![])
        }
        (Link::Moving(_), Input::Ended { .. }) => (Link::Idle, vec![Effect::Drop(LINK)]),
        (Link::Idle | Link::Given(_) | Link::Lost(_), Input::Arrived { .. } | Input::Connected { .. }) => {
            (state.clone(), vec![Effect::Drop(LINK)])
        }
        (Link::Idle | Link::Given(_) | Link::Lost(_), Input::Reset) => (Link::Idle, vec![]),
        (Link::Leasing(_) | Link::Waiting(_), Input::Reset) => (Link::Idle, release_and_drop()),
        (Link::Dialing(_) | Link::Ready(_), Input::Reset) => (Link::Idle, vec![Effect::Drop(LINK)]),
        (Link::Moving(_), Input::Reset) => (state.clone(), vec![Effect::Abort(TRANSFER)]),
        _ => (state.clone(), vec![]),
    }
}

#[test]
fn every_state_answers_every_input_as_the_table_says() {
    for state in states() {
        for input in inputs(LINK) {
            assert_eq!(state.clone().step(input.clone()), expected(&state, &input), "{state:?} {input:?}");
        }
    }
}

#[test]
fn what_concerns_another_link_changes_nothing_and_is_given_back() {
    for state in states() {
        for input in inputs(OTHER).into_iter().take(7).filter(|input| !matches!(input, Input::Dial { .. })) {
            let (next, effects) = state.clone().step(input.clone());
            assert_eq!(next, state, "{input:?}");
            let want = match input {
                Input::Leased { .. } => vec![Effect::Release(OTHER), Effect::Drop(OTHER)],
                Input::Arrived { .. } | Input::Connected { .. } => vec![Effect::Drop(OTHER)],
                _ => vec![],
            };
            assert_eq!(effects, want, "{state:?} {input:?}");
        }
    }
}

#[test]
fn strangers_make_another_verdict_and_are_counted_to_a_limit() {
    let mut state = waiting(vec![]);
    for _ in 0..10 {
        state = state.step(Input::Stranger { link: LINK, peer: target() }).0;
    }
    let (state, _) = state.step(Input::Expired);
    let cause = Cause::WrongPeer(vec![target(); MAX_STRANGERS]);
    assert_eq!(state, Link::Lost(Lost { setup: Some(passive()), cause, noted: false }));
}
