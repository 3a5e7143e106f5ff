//! The names of streams: an actor and a concern, each kept once however many names it is in.

use std::collections::BTreeMap;
use std::rc::Rc;

/// The number of an actor's name, as of a host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ActorId(u32);

/// What stands before the first `/` of a name, if there is one, and what stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    actor: ActorId,
    concern: u32,
}

/// The actor of names without a `/`.
const NOBODY: ActorId = ActorId(u32::MAX);

/// Texts by number, and the other way round.
#[derive(Default)]
struct Texts {
    texts: Vec<Rc<str>>,
    numbers: BTreeMap<Rc<str>, u32>,
}

impl Texts {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(&known) = self.numbers.get(text) {
            return known;
        }
        let number = u32::try_from(self.texts.len()).expect("names are few");
        let text: Rc<str> = text.into();
        self.texts.push(text.clone());
        self.numbers.insert(text, number);
        number
    }
}

/// All parts of names that are known.
#[derive(Default)]
pub(super) struct Names {
    actors: Texts,
    concerns: Texts,
}

impl Names {
    pub(super) fn actor(&mut self, name: &str) -> ActorId {
        debug_assert!(!name.contains('/'), "an actor ends at the first `/`: {name}");
        ActorId(self.actors.number(name))
    }

    /// The name `<actor>/<concern>`.
    pub(super) fn of(&mut self, actor: ActorId, concern: &str) -> Name {
        Name { actor, concern: self.concerns.number(concern) }
    }

    pub(super) fn parse(&mut self, name: &str) -> Name {
        match name.split_once('/') {
            Some((actor, concern)) => {
                let actor = self.actor(actor);
                self.of(actor, concern)
            }
            None => self.of(NOBODY, name),
        }
    }

    /// Writes a name out.
    pub(super) fn text(&self, name: Name) -> String {
        let concern = &self.concerns.texts[name.concern as usize];
        match name.actor {
            NOBODY => concern.to_string(),
            ActorId(actor) => format!("{}/{concern}", self.actors.texts[actor as usize]),
        }
    }

    /// Writes `<actor>/<concern>` out, whether anything of that name is known or not.
    pub(super) fn text_of(&self, actor: ActorId, concern: &str) -> String {
        format!("{}/{concern}", self.actors.texts[actor.0 as usize])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Different texts are different names, and each is written as it was read.
        #[test]
        fn names_are_read_and_written(
            texts in prop::collection::btree_set("[ab/]{0,5}", 1..20),
        ) {
            let mut names = Names::default();
            let read: Vec<Name> = texts.iter().map(|it| names.parse(it)).collect();
            for (text, &name) in texts.iter().zip(&read) {
                prop_assert_eq!(&names.text(name), text);
                prop_assert_eq!(names.parse(text), name);
            }
            let distinct: std::collections::BTreeSet<Name> = read.iter().copied().collect();
            prop_assert_eq!(distinct.len(), texts.len());
        }
    }
}
