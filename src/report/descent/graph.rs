//! The component graph of a picture (Figure 4 of the energy-recurrency paper).

use std::collections::BTreeSet;

use super::{
    Raster,
    raster::{Colour, Scale},
};
use crate::{
    Error, Result,
    report::palette::{SERIES, VERMILION},
};

/// Longest side of a panel up to which pictures are enlarged, pixels, and the least enlargement while a panel stays below
/// the second number: cut edges lie between pixels.
const PANEL: [usize; 2] = [768, 1600];
/// White between the panels, pixels.
const GAP: usize = 8;
/// The largest component, as a rule the background.
const LARGEST: Colour = [225; 3];
/// Pixels that hang together with no other.
const ALONE: Colour = [40; 3];
/// An edge is whole from this on, where masks are soft.
const WHOLE: f32 = 0.5;

/// Which pixels of a picture listen to each other.
#[derive(Clone, Debug)]
pub struct ComponentGraph {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// The component of each pixel; 0 is the largest.
    pub component: Vec<usize>,
    /// Pixels of each component, falling.
    pub sizes: Vec<usize>,
    /// Edges that are cut.
    pub cut: usize,
    /// All edges of the grid.
    pub edges: usize,
    /// Whether the edges to the right and below each pixel are cut.
    cuts: Vec<[bool; 2]>,
}

impl ComponentGraph {
    /// Of the mask phi `[height, width, 4]`, by neighbours above, below, left and right.
    ///
    /// # Errors
    /// [`Error::Shape`] if the mask is of another size.
    pub fn of(width: usize, height: usize, phi: &[f32]) -> Result<Self> {
        if phi.len() != 4 * width * height || phi.is_empty() {
            let message = format!("{} numbers are no mask of {height}x{width}x4", phi.len());
            return Err(Error::shape("component graph", message));
        }
        let cuts: Vec<[bool; 2]> = (0..width * height)
            .map(|i| {
                let cut = |direction: usize| phi[4 * i + direction] < WHOLE;
                [i % width + 1 < width && cut(3), i / width + 1 < height && cut(1)]
            })
            .collect();
        let cut = cuts.iter().flatten().filter(|cut| **cut).count();
        let edges = (width - 1) * height + width * (height - 1);
        let mut graph = Self { width, height, component: Vec::new(), sizes: Vec::new(), cut, edges, cuts };
        graph.connect();
        Ok(graph)
    }

    /// The neighbours to the right and below, each with whether the edge to it is cut.
    fn ahead(&self, i: usize) -> impl Iterator<Item = (usize, bool)> {
        let right = (i % self.width + 1 < self.width).then_some((i + 1, self.cuts[i][0]));
        let below = (i / self.width + 1 < self.height).then_some((i + self.width, self.cuts[i][1]));
        right.into_iter().chain(below)
    }

    /// Finds the components, by trees whose roots stand for them.
    fn connect(&mut self) {
        let mut parent: Vec<usize> = (0..self.cuts.len()).collect();
        for i in 0..parent.len() {
            for (j, _) in self.ahead(i).filter(|(_, cut)| !cut) {
                let (a, b) = (root(&mut parent, i), root(&mut parent, j));
                parent[a.max(b)] = a.min(b);
            }
        }
        let mut sizes = vec![0; parent.len()];
        let roots: Vec<usize> = (0..parent.len()).map(|i| root(&mut parent, i)).collect();
        roots.iter().for_each(|root| sizes[*root] += 1);
        let mut order: Vec<usize> = (0..sizes.len()).filter(|i| sizes[*i] > 0).collect();
        order.sort_by_key(|i| (std::cmp::Reverse(sizes[*i]), *i));
        let mut rank = vec![0; sizes.len()];
        order.iter().enumerate().for_each(|(at, root)| rank[*root] = at);
        self.component = roots.iter().map(|root| rank[*root]).collect();
        self.sizes = order.iter().map(|root| sizes[*root]).collect();
    }

    /// A colour for each component, another than its larger neighbours' as far as there are enough.
    fn colours(&self) -> Vec<Colour> {
        let mut larger = vec![BTreeSet::new(); self.sizes.len()];
        for i in 0..self.component.len() {
            for (j, _) in self.ahead(i) {
                let (a, b) = (self.component[i], self.component[j]);
                if a != b {
                    larger[a.max(b)].insert(a.min(b));
                }
            }
        }
        let mut taken: Vec<usize> = Vec::with_capacity(larger.len());
        for (at, near) in larger.iter().enumerate() {
            let free = |colour: &usize| near.iter().all(|other| taken[*other] != *colour);
            // Begun elsewhere each time, so that all colours are used.
            let mut turns = (0..SERIES.len()).map(|turn| (at + turn) % SERIES.len());
            taken.push(turns.find(free).unwrap_or(at % SERIES.len()));
        }
        let colour = |(at, taken): (usize, usize)| match (at, self.sizes[at]) {
            (_, 1) => ALONE,
            (0, _) => LARGEST,
            _ => SERIES[taken],
        };
        taken.into_iter().enumerate().map(colour).collect()
    }

    /// The picture with its cut edges, and beside it the components, each of one colour, the largest light grey and pixels that
    /// are alone dark; as PNG. Small pictures are enlarged.
    ///
    /// # Errors
    /// [`Error::Shape`] if the picture is of another size, [`Error::Check`] if it cannot be encoded.
    pub fn png(&self, picture: &Raster) -> Result<Vec<u8>> {
        let (width, height) = (self.width, self.height);
        if (picture.width, picture.height) != (width, height) {
            let (w, h) = (picture.width, picture.height);
            return Err(Error::shape(
                "component graph",
                format!("a picture of {h}x{w} for {height}x{width}"),
            ));
        }
        let longest = width.max(height);
        let up = (PANEL[0] / longest).max(3.min(PANEL[1] / longest)).max(1);
        let scale = Scale { up, down: 1 };
        let mut left = picture.scaled(scale);
        self.draw_cuts(&mut left, up);
        let colours = self.colours();
        let data = self.component.iter().flat_map(|component| colours[*component]).collect();
        let right = Raster { width, height, data }.scaled(scale);
        let mut sheet = Raster::new(2 * left.width + GAP, left.height, [255; 3]);
        sheet.paste(&left, [0, 0]);
        sheet.paste(&right, [left.width + GAP, 0]);
        sheet.png()
    }

    fn draw_cuts(&self, sheet: &mut Raster, up: usize) {
        let thick = (up / 6).max(1);
        // Half of a line lies on either side of the border, where it has two.
        let before = thick.div_ceil(2);
        for (i, [right, below]) in self.cuts.iter().enumerate() {
            let [x, y] = [i % self.width * up, i / self.width * up];
            if *right {
                sheet.fill([x + up - before, y], [thick, up], VERMILION);
            }
            if *below {
                sheet.fill([x, y + up - before], [up, thick], VERMILION);
            }
        }
    }
}

/// The root of a tree; the way to it becomes shorter.
fn root(parent: &mut [usize], mut i: usize) -> usize {
    while parent[i] != i {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    i
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All whole but between the columns 1 and 2 of four, and around the last pixel.
    fn graph() -> ComponentGraph {
        let (width, height) = (4, 3);
        let mut phi = vec![1.0; 4 * width * height];
        let mut cut = |x: usize, y: usize, direction: usize| phi[4 * (y * width + x) + direction] = 0.2;
        for y in 0..height {
            cut(1, y, 3);
            cut(2, y, 2);
        }
        cut(3, 1, 1);
        cut(2, 2, 3);
        ComponentGraph::of(width, height, &phi).unwrap()
    }

    #[test]
    fn components_are_found() {
        let graph = graph();
        assert_eq!((graph.cut, graph.edges, graph.sizes.clone()), (5, 17, vec![6, 5, 1]));
        assert_eq!(graph.component, [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 2]);
        let colours = graph.colours();
        assert!(colours[0] != colours[1] && colours[2] == ALONE);
        assert!(ComponentGraph::of(4, 3, &[1.0; 4]).is_err());
    }

    #[test]
    fn cut_edges_lie_between_pixels() {
        let graph = graph();
        let mut sheet = Raster::new(24, 18, [0; 3]);
        graph.draw_cuts(&mut sheet, 6);
        assert_eq!((sheet.at(11, 0), sheet.at(10, 0), sheet.at(12, 0)), (VERMILION, [0; 3], [0; 3]));
        assert_eq!((sheet.at(20, 11), sheet.at(20, 12)), (VERMILION, [0; 3]));
        let bytes = graph.png(&Raster::new(4, 3, [7; 3])).unwrap();
        let size = image::load_from_memory(&bytes).unwrap();
        assert_eq!((size.width(), size.height()), (2 * 768 + GAP as u32, 576));
        assert!(graph.png(&Raster::new(3, 4, [7; 3])).is_err());
    }
}
