//! Every story under the tripwire: neither the service, nor the world, nor the oracles look at
//! the machine. A binary of its own, since the wire watches the whole binary it is linked into.

use stillpoint_reference::mutants::{Mutants, NoMutants};
use stillpoint_scenarios::report::SeedRequest;
use stillpoint_scenarios::stories::{ALL, tell_with};
use stillpoint_tripwire::{Scope, Sighting, What, watch};

fn under_the_wire<M: Mutants + Sync>(request: &SeedRequest, mutants: M) -> Vec<Sighting> {
    watch(Scope::Everything, || tell_with(request, &mutants)).1
}

#[test]
fn no_story_looks_at_the_machine() {
    for story in ALL {
        let request = SeedRequest { event_log: true, ..SeedRequest::new(story.name, 1) };
        let seen = under_the_wire(&request, NoMutants);
        let seen: Vec<String> = seen.iter().map(ToString::to_string).collect();
        assert!(seen.is_empty(), "{}:\n  {}", story.name, seen.join("\n  "));
    }
}

/// A service that looks at the machine's clock when it confirms a cut, and keeps what it holds
/// in a map with the default hasher.
#[derive(Clone)]
struct Leaky;

impl Mutants for Leaky {
    #[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "what is to be found")]
    fn writes_are_not_held(&self) -> bool {
        let held = std::collections::HashMap::from([(std::time::Instant::now(), false)]);
        held.into_values().any(|it| it)
    }
}

#[test]
fn a_hidden_clock_and_a_hidden_map_in_the_service_are_named() {
    let seen = under_the_wire(&SeedRequest::new(ALL[0].name, 1), Leaky);
    let line = line!() - 8;
    let place = format!("scenarios/tests/tripwire.rs:{line}");
    let named: Vec<_> = seen.iter().map(|it| (it.what.clone(), it.place.as_str())).collect();
    assert_eq!(named, [(What::MonotonicClock, &*place), (What::DefaultHasher, &*place)]);
}
