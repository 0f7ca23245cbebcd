//! A test double of the relations: a map.

use halley_core::ids::{AppId, UserId};
use halley_core::ports::PortError;
use halley_core::ports::relations::{Directions, Pair, Relation, RelationKind, Relations};
use halley_core::reply::Reply;

use super::world::World;

impl Relations for World {
    fn relation(&self, pair: Pair) -> Reply<Result<Relation, PortError>> {
        let key = (pair.app, pair.user, pair.other);
        self.answer(|contents| Ok(contents.relations.get(&key).copied().unwrap_or_default()))
    }

    fn set_relation(
        &self,
        pair: Pair,
        kind: RelationKind,
        directions: Directions,
        is_set: bool,
    ) -> Reply<Result<(), PortError>> {
        self.answer(|contents| {
            let mut keys = vec![(pair.app, pair.user, pair.other)];
            if directions == Directions::Both {
                keys.push((pair.app, pair.other, pair.user));
            }
            for key in keys {
                let relation = contents.relations.entry(key).or_default();
                *relation = relation.with(kind, is_set);
            }
            Ok(())
        })
    }

    fn related(
        &self,
        app: AppId,
        user: UserId,
        kind: RelationKind,
        after: Option<UserId>,
        max: usize,
    ) -> Reply<Result<Vec<UserId>, PortError>> {
        self.answer(|contents| {
            let of_user = contents.relations.iter().filter(|((in_app, whose, other), relation)| {
                (*in_app, *whose) == (app, user) && Some(*other) > after && relation.has(kind)
            });
            Ok(of_user.map(|((_, _, other), _)| *other).take(max).collect())
        })
    }

    fn is_forbidden(&self, app: AppId, user: UserId) -> Reply<Result<bool, PortError>> {
        self.answer(|contents| Ok(contents.forbidden.contains(&(app, user))))
    }

    fn set_forbidden(&self, app: AppId, user: UserId, is_forbidden: bool) -> Reply<Result<(), PortError>> {
        self.answer(|contents| {
            if is_forbidden {
                contents.forbidden.insert((app, user));
            } else {
                contents.forbidden.remove(&(app, user));
            }
            Ok(())
        })
    }
}
