//! Several processes that run on one data folder, to the doctor: what they share is looked at once, and each is asked
//! whether it serves. How each was started, by flags perhaps, these settings do not know; where it listens its note says,
//! and whether the next one answers it, it knows itself.

use super::doctor::{certificates, codec, data, edge, serves, settings, store, stream, unanswered};
use super::note::Note;
use super::report::Line;
use super::whereabouts::Whereabouts;
use super::{DoctorArgs, House, Running, Written, reach, ready};
use crate::config::Role;

pub(super) async fn lines(written: &Written, running: &Running, args: &DoctorArgs) -> Vec<Line> {
    let here = Whereabouts::here();
    let notes: Vec<_> = running.notes().iter().filter(|n| n.whereabouts.apart(&here).is_none()).collect();
    let roles: Vec<_> = notes.iter().filter_map(|note| note.known_role()).collect();
    let shared = shared_role(&roles);
    let (config, _) = written.config(shared);
    // What a role wants of the settings each has got, perhaps by a flag: it runs.
    let (_, problems) = written.config(Role::Codec);
    let mut lines = settings(written, shared, &problems);
    lines.push(codec());
    lines.extend(data(&config, running.folder.as_deref()));
    let house = House::new(config, written.settings(), args.url.as_ref(), args.key.as_ref());
    if shared.has_pool() {
        lines.push(store(&house, true).await);
    }
    lines.extend(certificates(&house.config));
    // A chat service apart has to be told, and may have been by a flag.
    if shared.has_pool() || shared == Role::WarpChat && written.settings().upstream.is_some() {
        lines.extend(reach::lines(&house).await);
    }
    for note in notes {
        lines.extend(part(written, args, note).await);
    }
    lines
}

/// The role whose settings say most of what they share.
fn shared_role(roles: &[Role]) -> Role {
    let first = |wanted: &[Role]| roles.iter().copied().find(|role| wanted.contains(role));
    first(&[Role::All, Role::TokenPool]).or_else(|| first(&[Role::WarpChat])).unwrap_or(Role::Codec)
}

async fn part(written: &Written, args: &DoctorArgs, note: &Note) -> Vec<Line> {
    let role = note.known_role().unwrap_or(Role::Codec);
    let (config, _) = written.config(role);
    let house = House::new(config, written.settings(), args.url.as_ref(), args.key.as_ref());
    let house = house.at(std::slice::from_ref(note));
    let named = |line: Line| line.of(&format!("{} (process {})", note.role, note.pid));
    let mut lines = Vec::new();
    if role.has_edge() {
        match edge(&house).await {
            Ok(health) => {
                lines.push(named(serves(&house, &house.edge).await));
                lines.push(named(stream(&house, &health).await));
            }
            Err(words) => lines.extend(unanswered(&house, &words).map(named)),
        }
    } else if let Some(port) = ready::port_of(&house, note) {
        lines.push(named(serves(&house, &port).await));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_processes_share_is_that_of_the_one_with_the_pool() {
        for (roles, shared) in [
            (&[Role::Gateway, Role::WarpChat, Role::TokenPool][..], Role::TokenPool),
            (&[Role::Gateway, Role::All], Role::All),
            (&[Role::Gateway, Role::WarpChat], Role::WarpChat),
            (&[Role::Gateway, Role::Codec, Role::Upstream], Role::Codec),
        ] {
            assert_eq!(shared_role(roles), shared, "{roles:?}");
        }
    }
}
