//! Users and groups of the system, by name or number, from its own files.
//!
//! Users that only a directory service knows (LDAP, SSSD) are not there; their numbers can be written instead.

use std::fs;

/// Where users are.
const USERS: &str = "/etc/passwd";
/// Where groups and their members are.
const GROUPS: &str = "/etc/group";

/// Whom a process can become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// As the user was written.
    pub name: String,
    /// The user's number.
    pub user: u32,
    /// The number of the first group, which new files belong to.
    pub group: u32,
    /// The numbers of all groups, in order, that one among them.
    pub groups: Vec<u32>,
}

impl Identity {
    /// Finds a user and the groups that a login would give him (as initgroups does); `group` takes the place of the
    /// first one.
    ///
    /// # Errors
    /// In one line, who is not there and what to write.
    pub fn find(user: &str, group: Option<&str>) -> Result<Self, String> {
        let read = |path: &str| fs::read(path).map(|text| String::from_utf8_lossy(&text).into_owned());
        find(&read(USERS).unwrap_or_default(), &read(GROUPS).unwrap_or_default(), user, group)
    }
}

/// As [`Identity::find`], in these texts.
fn find(users: &str, groups: &str, user: &str, group: Option<&str>) -> Result<Identity, String> {
    // Name, password, number, first group, and more; a name of digits is a name first.
    let entries = || users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let number = |fields: &[&str], place: usize| fields.get(place).copied().and_then(id_of);
    let named = entries().find(|fields| fields.first() == Some(&user) && number(fields, 2).is_some());
    let entry = named.or_else(|| {
        let wanted = id_of(user)?;
        entries().find(|fields| number(fields, 2) == Some(wanted))
    });
    let id = entry.as_ref().and_then(|fields| number(fields, 2)).or_else(|| id_of(user));
    let Some(id) = id else {
        return Err(format!(
            "there is no user {user:?} in {USERS}; make one (useradd --system --no-create-home --shell /usr/sbin/nologin {user}), or write a number"
        ));
    };
    let first = match group {
        Some(group) => group_number(groups, group)?,
        None => entry.as_ref().and_then(|fields| number(fields, 3)).ok_or_else(|| {
            format!("user {user} is not in {USERS}, so that his group is not known; write group, too")
        })?,
    };
    let name = entry.as_ref().and_then(|fields| fields.first().copied());
    let mut all: Vec<u32> = vec![first];
    for line in groups.lines() {
        let fields: Vec<_> = line.split(':').collect();
        let is_member = |name: &str| {
            fields.get(3).is_some_and(|members| members.split(',').any(|one| one.trim() == name))
        };
        if let Some(id) = number(&fields, 2).filter(|_| name.is_some_and(is_member)) {
            all.push(id);
        }
    }
    all.sort_unstable();
    all.dedup();
    Ok(Identity { name: name.unwrap_or(user).to_owned(), user: id, group: first, groups: all })
}

/// The highest number means "as it is" to the system, and is nobody's.
fn id_of(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id != u32::MAX)
}

fn group_number(groups: &str, group: &str) -> Result<u32, String> {
    let mut entries = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = entries.find(|fields| fields.first() == Some(&group));
    let number = found.and_then(|fields| id_of(fields.get(2)?)).or_else(|| id_of(group));
    number.ok_or_else(|| {
        format!(
            "there is no group {group:?} in {GROUPS}; make one (groupadd --system {group}), or write a number"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
        ftpd:x:990:980::/nonexistent:/usr/sbin/nologin\n\
        +@netgroup::::::\n\
        4711:x:991:981::/:/bin/false\n\
        broken:x:nine:1::/:\n";
    const GROUP: &str =
        "root:x:0:\nftpd:x:980:\nssl-cert:x:110:mail,ftpd\nmedia:x:44:ftpd,\nother:x:45:xftpd\n";

    fn found(user: &str, group: Option<&str>) -> Result<(String, u32, u32, Vec<u32>), String> {
        find(PASSWD, GROUP, user, group).map(|found| (found.name, found.user, found.group, found.groups))
    }

    #[test]
    fn a_user_has_the_groups_that_a_login_gives_him() {
        let ftpd = Ok(("ftpd".to_owned(), 990, 980, vec![44, 110, 980]));
        assert_eq!(found("ftpd", None), ftpd);
        assert_eq!(found("990", None), ftpd, "by his number, too");
        assert_eq!(found("ftpd", Some("media")), Ok(("ftpd".to_owned(), 990, 44, vec![44, 110])));
        assert_eq!(found("ftpd", Some("7")), Ok(("ftpd".to_owned(), 990, 7, vec![7, 44, 110])));
        assert_eq!(found("4711", None), Ok(("4711".to_owned(), 991, 981, vec![981])), "a name of digits");
        assert_eq!(found("5000", Some("5000")), Ok(("5000".to_owned(), 5000, 5000, vec![5000])));
    }

    #[test]
    fn who_is_not_there_is_told_in_one_line() {
        let begins = |user: &str, group: Option<&str>, want: &str| {
            let error = found(user, group).unwrap_err();
            assert!(error.starts_with(want) && error.lines().count() == 1, "{error}");
        };
        begins("nobody2", None, "there is no user \"nobody2\" in /etc/passwd; make one (useradd ");
        begins("broken", None, "there is no user \"broken\"");
        begins("", None, "there is no user \"\"");
        begins("-1", None, "there is no user \"-1\"");
        begins("4294967295", Some("0"), "there is no user \"4294967295\"");
        begins("4294967296", None, "there is no user \"4294967296\"");
        begins("5000", None, "user 5000 is not in /etc/passwd, so that his group is not known");
        begins("ftpd", Some("nobody2"), "there is no group \"nobody2\" in /etc/group; make one (groupadd ");
    }
}
