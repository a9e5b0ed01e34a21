//! Graphs as pictures: boxes in columns, from those that nothing leads to, and curves between them.
//!
//! Used for calls and for modules. The layout is a plain one and depends on the graph alone.

use std::fmt::Write;

use super::html;

/// A box: its text, and where it leads.
pub(super) struct Node {
    pub(super) text: String,
    pub(super) url: String,
}

const CHAR_WIDTH: usize = 8;
const HEIGHT: usize = 24;
const ROW: usize = 36;
const COLUMN_GAP: usize = 70;
const MARGIN: usize = 10;

/// The picture. `edges`: for each node those that it leads to; itself and the unknown are left out.
/// `name`: what tells it from the other pictures of its page.
pub(super) fn svg(name: &str, nodes: &[Node], edges: &[Vec<usize>]) -> String {
    let layers = layers(edges);
    let columns = layers.iter().max().map_or(0, |max| max + 1);
    let mut rows = vec![0; columns];
    let mut widths = vec![0; columns];
    let width = |node: &Node| node.text.chars().count() * CHAR_WIDTH + 16;
    for (node, &layer) in nodes.iter().zip(&layers) {
        widths[layer] = widths[layer].max(width(node));
    }
    let lefts: Vec<usize> = widths
        .iter()
        .scan(MARGIN, |left, width| {
            let here = *left;
            *left += width + COLUMN_GAP;
            Some(here)
        })
        .collect();
    let places: Vec<(usize, usize)> = layers
        .iter()
        .map(|&layer| {
            rows[layer] += 1;
            (lefts[layer], MARGIN + (rows[layer] - 1) * ROW)
        })
        .collect();
    let full_width =
        widths.iter().sum::<usize>() + columns.saturating_sub(1) * COLUMN_GAP + 2 * MARGIN;
    let full_height = rows.iter().max().unwrap_or(&0) * ROW + 2 * MARGIN;
    let mut svg = format!(
        "<div class=\"graph\"><svg width=\"{full_width}\" height=\"{full_height}\" \
         viewBox=\"0 0 {full_width} {full_height}\" role=\"img\">\n\
         <defs><marker id=\"tip-{name}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n"
    );
    for (from, targets) in edges.iter().enumerate() {
        for &to in targets {
            let is_back = layers[to] <= layers[from];
            let (x, y) = (
                places[from].0 + width(&nodes[from]),
                places[from].1 + HEIGHT / 2,
            );
            let (to_x, to_y) = (places[to].0, places[to].1 + HEIGHT / 2);
            let bend = COLUMN_GAP / 2;
            let class = if is_back { " class=\"back\"" } else { "" };
            let _ = writeln!(
                svg,
                "<path{class} d=\"M{x} {y}C{} {y} {} {to_y} {to_x} {to_y}\" marker-end=\"url(#tip-{name})\"/>",
                x + bend,
                to_x as i64 - bend as i64
            );
        }
    }
    for (node, (x, y)) in nodes.iter().zip(&places) {
        let _ = writeln!(
            svg,
            "<a href=\"{}\"><rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{HEIGHT}\" rx=\"5\"/>\
             <text x=\"{}\" y=\"{}\">{}</text></a>",
            node.url,
            width(node),
            x + 8,
            y + 16,
            html::escape(&node.text)
        );
    }
    svg.push_str("</svg></div>\n");
    svg
}

/// The column of each node: one more than the last of those that lead to it, edges that go back left out.
fn layers(edges: &[Vec<usize>]) -> Vec<usize> {
    let mut has_caller = vec![false; edges.len()];
    edges.iter().flatten().for_each(|&to| has_caller[to] = true);
    let first = (0..edges.len()).filter(|&node| !has_caller[node]);
    let starts: Vec<usize> = first.chain(0..edges.len()).collect();
    // After all they lead to: an order in which each node comes before those that it reaches, but for edges back.
    let mut order = Vec::with_capacity(edges.len());
    let mut is_entered = vec![false; edges.len()];
    let mut is_open = vec![false; edges.len()];
    let mut forward: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    for start in starts {
        let mut path = vec![(start, 0)];
        while let Some((node, edge)) = path.pop() {
            if edge == 0 {
                if is_entered[node] {
                    continue;
                }
                is_entered[node] = true;
                is_open[node] = true;
            }
            match edges[node].get(edge) {
                Some(&to) => {
                    path.push((node, edge + 1));
                    if !is_open[to] {
                        forward[node].push(to);
                        path.push((to, 0));
                    }
                }
                None => {
                    is_open[node] = false;
                    order.push(node);
                }
            }
        }
    }
    let mut layers = vec![0; edges.len()];
    for &node in order.iter().rev() {
        for &to in &forward[node] {
            layers[to] = layers[to].max(layers[node] + 1);
        }
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::layers;

    #[test]
    fn columns_follow_the_longest_way() {
        assert_eq!(layers(&[vec![1, 2], vec![2], vec![]]), [0, 1, 2]);
    }

    #[test]
    fn circles_have_columns_too() {
        assert_eq!(layers(&[vec![1], vec![0]]), [0, 1]);
        assert_eq!(layers(&[vec![0]]), [0]);
    }
}
