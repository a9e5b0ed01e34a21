//! The page of a module: what it declares, what its functions measure and call, and pictures of both.

use std::fmt::Write;

use dagwood::Cx;
use rustc_hash::FxHashMap;

use super::{
    Site, definition,
    graph::{self, Node},
    html::{self, escape},
    module_path, source_path,
};
use crate::rust_source::{
    deep::{describe, facts::ModuleFacts, module_graph::ModuleGraphOf, scopes::Def},
    module_tree::{CrateId, ModulesOf},
    sources::Sources,
};

/// A picture shows so many boxes at most.
const NODES_MAX: usize = 48;

pub(super) fn render(
    cx: &Cx<'_, Sources>,
    site: &Site<'_, '_>,
    krate: usize,
    module: u32,
) -> String {
    let facts = &site.whole.crates[krate];
    let id = facts.krate.id;
    let module_facts = facts.modules[module as usize];
    let path = module_path(cx, id, module);
    let top = html::to_top(&path);
    let page = Module {
        cx,
        id,
        module,
        facts: module_facts,
        top: &top,
    };
    let mut body = page.head();
    page.children(&mut body);
    page.items(&mut body);
    page.functions(&mut body);
    page.call_graph(&mut body);
    if module == 0 {
        page.module_graph(&mut body);
    }
    if let Some(findings) = site.findings.get(module_facts.file.as_str()) {
        let file = source_path(cx, cx.get(ModulesOf(id)).modules[module as usize].file);
        let _ = writeln!(
            body,
            "<p><a href=\"{top}{}\">{} findings in this file</a></p>",
            html::url(&file),
            findings.len()
        );
    }
    html::page(
        &top,
        &format!("{} - {}", module_facts.path, facts.root),
        &body,
    )
}

struct Module<'a, 'db> {
    cx: &'a Cx<'db, Sources>,
    id: CrateId,
    module: u32,
    facts: &'a ModuleFacts,
    top: &'a str,
}

impl Module<'_, '_> {
    fn head(&self) -> String {
        let counts = &self.facts.counts;
        let file = self.cx.get(ModulesOf(self.id)).modules[self.module as usize].file;
        let mut body = format!(
            "<h1 class=\"mono\">{}</h1>\n<p class=\"soft\"><a class=\"mono\" href=\"{}{}\">{}</a></p>\n<div class=\"cards\">\n",
            escape(&self.facts.path),
            self.top,
            html::url(&source_path(self.cx, file)),
            escape(&self.facts.file)
        );
        for (number, what) in [
            (counts.item_count, "items"),
            (counts.reached_items, "reached from the public API"),
            (counts.function_count, "functions"),
            (counts.function_lines, "lines in functions"),
            (counts.branches, "branches"),
            (u64::from(counts.depth_max), "nested at most"),
        ] {
            body.push_str(&super::index_page::card(number, what));
        }
        body.push_str("</div>\n");
        body
    }

    /// A link to a definition with this text.
    fn link(&self, def: Def, text: &str) -> String {
        match definition(self.cx, self.id, def) {
            Some(url) => format!(
                "<a class=\"mono\" href=\"{}{url}\">{}</a>",
                self.top,
                escape(text)
            ),
            None => format!("<span class=\"mono\">{}</span>", escape(text)),
        }
    }

    fn module_link(&self, module: u32) -> String {
        let tree = self.cx.get(ModulesOf(self.id));
        format!(
            "<a class=\"mono\" href=\"{}{}\">{}</a>",
            self.top,
            html::url(&module_path(self.cx, self.id, module)),
            escape(&describe::module_path(tree, module))
        )
    }

    fn children(&self, body: &mut String) {
        let tree = self.cx.get(ModulesOf(self.id));
        let own = &tree.modules[self.module as usize];
        let uses = &self.cx.get(ModuleGraphOf(self.id)).uses[self.module as usize];
        let used: Vec<u32> = uses.iter().map(|used| used.module).collect();
        let parent: Vec<u32> = own.parent.into_iter().collect();
        for (title, modules) in [
            ("Inside", &parent),
            ("Modules", &own.children),
            ("Uses", &used),
        ] {
            if !modules.is_empty() {
                let links: Vec<String> = modules.iter().map(|&m| self.module_link(m)).collect();
                let _ = writeln!(body, "<p>{title}: {}</p>", links.join(", "));
            }
        }
    }

    fn items(&self, body: &mut String) {
        if self.facts.items.is_empty() {
            return;
        }
        body.push_str(
            "<h2>Items</h2>\n<table><tr><th>Kind</th><th>Name</th><th class=\"n\">Line</th></tr>\n",
        );
        for item in &self.facts.items {
            let mut tags = String::new();
            if item.is_public {
                tags.push_str("<span class=\"tag\">pub</span>");
            }
            if item.is_reached {
                tags.push_str("<span class=\"tag reached\">reached</span>");
            }
            let _ = writeln!(
                body,
                "<tr><td class=\"mono k\">{}</td><td>{}{tags}</td><td class=\"n\">{}</td></tr>",
                item.kind,
                self.link(item.def.0, &item.name),
                item.line
            );
        }
        body.push_str("</table>\n");
    }

    fn functions(&self, body: &mut String) {
        if self.facts.functions.is_empty() {
            return;
        }
        body.push_str(
            "<h2>Functions</h2>\n<table><tr><th>Function</th><th class=\"n\">Lines</th><th class=\"n\">Branches</th>\
             <th class=\"n\">Depth</th><th>Calls</th></tr>\n",
        );
        for function in &self.facts.functions {
            let calls: Vec<String> = function
                .callees
                .iter()
                .zip(&function.calls)
                .map(|(&def, path)| self.link(def, self.short(path)))
                .collect();
            let _ = writeln!(
                body,
                "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
                self.link(function.def.0, self.short(&function.path)),
                function.metrics.lines,
                function.metrics.branches,
                function.metrics.depth,
                calls.join(", ")
            );
        }
        body.push_str("</table>\n");
    }

    /// A path without what this module's own begins with.
    fn short<'a>(&self, path: &'a str) -> &'a str {
        path.strip_prefix(self.facts.path.as_str())
            .and_then(|rest| rest.strip_prefix("::"))
            .unwrap_or(path)
    }

    /// Who calls whom: functions of the module, and what they call elsewhere.
    fn call_graph(&self, body: &mut String) {
        let mut numbers: FxHashMap<Def, usize> = FxHashMap::default();
        let mut nodes: Vec<(Def, &str)> = Vec::new();
        let mut add = |def: Def, path| {
            *numbers.entry(def).or_insert_with(|| {
                nodes.push((def, path));
                nodes.len() - 1
            })
        };
        let mut edges: Vec<(usize, usize)> = Vec::new();
        for function in &self.facts.functions {
            for (&callee, path) in function.callees.iter().zip(&function.calls) {
                let from = add(function.def.0, self.short(&function.path));
                let to = add(callee, self.short(path));
                edges.push((from, to));
            }
        }
        if edges.is_empty() {
            return;
        }
        body.push_str("<h2>Calls</h2>\n");
        let url = |def| definition(self.cx, self.id, def).unwrap_or_default();
        let boxes = nodes.iter().map(|&(def, text)| Node {
            text: text.to_owned(),
            url: format!("{}{}", self.top, url(def)),
        });
        draw(body, "calls", boxes.collect(), &edges);
    }

    fn module_graph(&self, body: &mut String) {
        let tree = self.cx.get(ModulesOf(self.id));
        let graph = self.cx.get(ModuleGraphOf(self.id));
        let edges: Vec<(usize, usize)> = (0..)
            .zip(&graph.uses)
            .flat_map(|(from, uses)| uses.iter().map(move |used| (from, used.module as usize)))
            .collect();
        if edges.is_empty() {
            return;
        }
        body.push_str("<h2>Which module uses which</h2>\n");
        let boxes = (0..tree.modules.len() as u32).map(|module| Node {
            text: describe::module_path(tree, module),
            url: format!(
                "{}{}",
                self.top,
                html::url(&module_path(self.cx, self.id, module))
            ),
        });
        draw(body, "modules", boxes.collect(), &edges);
    }
}

/// Draws the graph; of a large one the nodes with most edges.
fn draw(body: &mut String, name: &str, nodes: Vec<Node>, edges: &[(usize, usize)]) {
    let mut degrees = vec![0usize; nodes.len()];
    for &(from, to) in edges {
        degrees[from] += 1;
        degrees[to] += 1;
    }
    let mut kept: Vec<usize> = (0..nodes.len()).filter(|&node| degrees[node] > 0).collect();
    if kept.len() > NODES_MAX {
        kept.sort_by_key(|&node| (std::cmp::Reverse(degrees[node]), node));
        let _ = writeln!(
            body,
            "<p class=\"soft\">the {NODES_MAX} of {} with most edges</p>",
            kept.len()
        );
        kept.truncate(NODES_MAX);
        kept.sort_unstable();
    }
    let number: FxHashMap<usize, usize> = kept.iter().copied().zip(0..).collect();
    let mut shown: Vec<Vec<usize>> = vec![Vec::new(); kept.len()];
    for (from, to) in edges {
        if let (Some(&from), Some(&to)) = (number.get(from), number.get(to))
            && from != to
        {
            shown[from].push(to);
        }
    }
    let nodes: Vec<Node> = nodes
        .into_iter()
        .enumerate()
        .filter(|(i, _)| number.contains_key(i))
        .map(|(_, node)| node)
        .collect();
    body.push_str(&graph::svg(name, &nodes, &shown));
}
