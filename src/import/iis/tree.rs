//! The elements of applicationHost.config, as a list of settings named `ELEMENT ATTRIBUTE`.

use crate::config_file::FileError;
use crate::import::draft::Place;
use crate::import::settings::Setting;
use roxmltree::{Document, Node, ParsingOptions};
use std::path::Path;
use std::sync::Arc;

/// What was read of one site.
pub(super) struct Site {
    /// `bindingInformation` of its FTP bindings.
    pub(super) bindings: Vec<(String, Place)>,
    /// The physical path of `/`.
    pub(super) root: Option<(String, Place)>,
    /// Other virtual directories: the path in the site, the physical one.
    pub(super) directories: Vec<(String, String, Place)>,
    /// Its settings, those that it inherits first.
    pub(super) settings: Vec<Setting>,
    /// The rules of `<authorization>`.
    pub(super) grants: Vec<Grant>,
    /// Other sites with FTP bindings.
    pub(super) others: Vec<OtherSite>,
}

/// A site that is not read.
pub(super) struct OtherSite {
    pub(super) name: String,
    /// The host names of its bindings.
    pub(super) hosts: Vec<String>,
    pub(super) place: Place,
}

/// The host name of a binding, if it has one.
pub(super) fn host(binding: &str) -> Option<&str> {
    binding.rsplit(':').next().filter(|host| !host.is_empty())
}

/// A rule of `<authorization>`.
pub(super) struct Grant {
    pub(super) allow: bool,
    pub(super) users: Vec<String>,
    pub(super) roles: String,
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) place: Place,
}

impl Grant {
    /// `*` is everybody, `?` those without a name.
    pub(super) fn is_for_guests(&self) -> bool {
        self.allow && self.users.iter().any(|name| name == "*" || name == "?")
    }
}

/// Reads the site of this name, or the first that has an FTP binding.
pub(super) fn read(path: &Path, text: &str, name: Option<&str>) -> Result<Site, FileError> {
    let options = ParsingOptions { allow_dtd: false, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        let place = error.pos();
        let (line, column) = (position(place.row), position(place.col));
        FileError::at(path, line, column, format_args!("no XML: {error}"))
    })?;
    let reader = Reader { file: path.into(), document: &document };
    let root = document.root_element();
    let sites: Vec<_> = root
        .descendants()
        .filter(|node| node.has_tag_name("site") && !reader.bindings(*node).is_empty())
        .collect();
    let named = |node: &Node<'_, '_>| {
        name.is_none_or(|name| node.attribute("name").is_some_and(|own| own.eq_ignore_ascii_case(name)))
    };
    let Some(site) = sites.iter().find(|node| named(node)).copied() else {
        let known: Vec<_> = sites.iter().filter_map(|node| node.attribute("name")).collect();
        return Err(match (name, known.is_empty()) {
            (Some(name), false) => FileError::whole(
                path,
                format_args!("no FTP site {name:?}; write one of {}", known.join(", ")),
            ),
            _ => FileError::whole(
                path,
                "no site with an FTP binding; give it applicationHost.config, in %windir%\\System32\\inetsrv\\config",
            ),
        });
    };
    Ok(reader.site(root, site, &sites))
}

fn position(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

struct Reader<'a, 'text> {
    file: Arc<Path>,
    document: &'a Document<'text>,
}

impl<'a> Reader<'a, '_> {
    fn place(&self, node: Node<'_, '_>) -> Place {
        let position_of = self.document.text_pos_at(node.range().start);
        Place { file: self.file.clone(), line: position(position_of.row) }
    }

    fn bindings(&self, site: Node<'_, '_>) -> Vec<(String, Place)> {
        let all =
            site.children().filter(|node| node.has_tag_name("bindings")).flat_map(|node| node.children());
        all.filter(|node| {
            node.attribute("protocol").is_some_and(|protocol| protocol.eq_ignore_ascii_case("ftp"))
        })
        .filter_map(|node| Some((node.attribute("bindingInformation")?.to_owned(), self.place(node))))
        .collect()
    }

    fn site(&self, root: Node<'a, '_>, site: Node<'a, '_>, all: &[Node<'a, '_>]) -> Site {
        let name = site.attribute("name").unwrap_or_default();
        let mut read = Site {
            bindings: self.bindings(site),
            root: None,
            directories: Vec::new(),
            settings: Vec::new(),
            grants: Vec::new(),
            others: Vec::new(),
        };
        // Later ones hold: defaults, the server, the site, the location.
        let defaults = root.descendants().filter(|node| node.has_tag_name("siteDefaults"));
        for node in defaults.flat_map(|node| node.children()).filter(|node| node.has_tag_name("ftpServer")) {
            self.flatten(node, &mut read);
        }
        for node in root.children().filter(|node| node.has_tag_name("system.ftpServer")) {
            self.flatten(node, &mut read);
        }
        for node in site.children().filter(|node| node.has_tag_name("ftpServer")) {
            self.flatten(node, &mut read);
        }
        for location in root.children().filter(|node| node.has_tag_name("location")) {
            let path = location.attribute("path").unwrap_or_default();
            let nodes = location.children().filter(|node| node.has_tag_name("system.ftpServer"));
            if path.is_empty() || path == "." || path.eq_ignore_ascii_case(name) {
                nodes.for_each(|node| self.flatten(node, &mut read));
            } else if path.split('/').next().is_some_and(|first| first.eq_ignore_ascii_case(name)) {
                let place = self.place(location);
                let arguments = vec![path.to_owned()];
                read.settings.push(Setting { name: "location path".to_owned(), arguments, place });
            }
        }
        self.directories(site, &mut read);
        let others = all.iter().filter(|node| node.id() != site.id());
        let other = |node: &Node<'a, '_>| {
            let bindings = self.bindings(*node);
            let mut hosts: Vec<_> =
                bindings.iter().filter_map(|(text, _)| host(text)).map(str::to_owned).collect();
            hosts.dedup();
            Some(OtherSite { name: node.attribute("name")?.to_owned(), hosts, place: self.place(*node) })
        };
        read.others = others.filter_map(other).collect();
        read
    }

    fn directories(&self, site: Node<'_, '_>, read: &mut Site) {
        for application in site.children().filter(|node| node.has_tag_name("application")) {
            let base = application.attribute("path").unwrap_or("/").trim_end_matches('/');
            for node in application.children().filter(|node| node.has_tag_name("virtualDirectory")) {
                let inner = node.attribute("path").unwrap_or("/").trim_end_matches('/');
                let physical = node.attribute("physicalPath").unwrap_or_default().to_owned();
                let place = self.place(node);
                match format!("{base}{inner}") {
                    path if path.is_empty() => read.root = Some((physical, place)),
                    path => read.directories.push((path, physical, place)),
                }
            }
        }
    }

    /// The attributes of all elements below one, and the rules in it.
    fn flatten(&self, top: Node<'_, '_>, read: &mut Site) {
        for node in top.descendants().filter(Node::is_element) {
            let element = node.tag_name().name();
            let parent = node.parent_element();
            let parent = parent.as_ref().map_or("", |parent| parent.tag_name().name());
            let place = self.place(node);
            if parent == "authorization" {
                match element {
                    "add" => read.grants.push(grant(node, place)),
                    "clear" => read.grants.clear(),
                    _ => {}
                }
                continue;
            }
            let collection = matches!(element, "add" | "remove" | "clear");
            if collection {
                let name = format!("{parent} {element}");
                read.settings.push(Setting { name, arguments: vec!["yes".to_owned()], place });
                continue;
            }
            for attribute in node.attributes() {
                read.settings.push(Setting {
                    name: format!("{element} {}", attribute.name()),
                    arguments: vec![attribute.value().to_owned()],
                    place: place.clone(),
                });
            }
        }
    }
}

fn grant(node: Node<'_, '_>, place: Place) -> Grant {
    let attribute = |name| node.attribute(name).unwrap_or_default();
    let permissions = attribute("permissions").to_ascii_lowercase();
    let list = |text: &str| {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    Grant {
        allow: !attribute("accessType").eq_ignore_ascii_case("Deny"),
        users: list(attribute("users")),
        roles: attribute("roles").to_owned(),
        read: permissions.contains("read"),
        write: permissions.contains("write"),
        place,
    }
}
