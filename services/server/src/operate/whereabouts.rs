//! Where the number of a process means something. A lock of a data folder is seen from other containers and, over a
//! network, from other machines; the number in its note names somebody else there, or all of them.

use serde::{Deserialize, Serialize};

/// The boot of a machine, and the namespace of processes in it, as Linux names them. Elsewhere, and where the system
/// hides them, nothing is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Whereabouts {
    /// Another one after each start of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// As in `/proc/self/ns/pid`: `pid:[4026531836]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid_namespace: Option<String>,
}

impl Whereabouts {
    /// Those of this process.
    pub fn here() -> Self {
        let namespace = std::fs::read_link("/proc/self/ns/pid").ok();
        Self {
            boot_id: std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
                .ok()
                .map(|id| id.trim().to_owned()),
            pid_namespace: namespace.and_then(|link| link.to_str().map(str::to_owned)),
        }
    }

    /// Why a process there cannot be signalled from `here`. `None` if it can be, or nothing else is known.
    pub(super) fn apart(&self, here: &Self) -> Option<&'static str> {
        let differ = |there: &Option<String>, here: &Option<String>| {
            there.as_ref().zip(here.as_ref()).is_some_and(|(there, here)| there != here)
        };
        if differ(&self.boot_id, &here.boot_id) {
            Some("it runs on another machine: stop it there")
        } else if differ(&self.pid_namespace, &here.pid_namespace) {
            Some("it runs in another container: stop it there")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_another_container_or_machine_is_nobody_here() {
        let place = |boot: Option<&str>, namespace: Option<&str>| Whereabouts {
            boot_id: boot.map(str::to_owned),
            pid_namespace: namespace.map(str::to_owned),
        };
        let here = place(Some("b1"), Some("pid:[1]"));
        for (there, words) in [
            (place(Some("b1"), Some("pid:[1]")), None),
            (place(Some("b1"), Some("pid:[2]")), Some("container")),
            (place(Some("b2"), Some("pid:[1]")), Some("machine")),
            (place(None, Some("pid:[2]")), Some("container")),
            // A note of an earlier version, or of a process that may not look.
            (place(None, None), None),
        ] {
            let told = there.apart(&here);
            assert_eq!(told.is_some(), words.is_some(), "{there:?}");
            assert!(words.is_none_or(|words| told.unwrap().contains(words)), "{there:?}: {told:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells_of_this_process() {
        let here = Whereabouts::here();

        assert!(here.pid_namespace.as_ref().unwrap().starts_with("pid:["), "{here:?}");
        assert_eq!(here.apart(&here), None);
    }
}
