//! The dispatches of a convolution and of its adjoint, in the form that was chosen.

use super::{Act, Form, Geometry, Join, Product, SlidingTile, winograd};
use crate::{
    gpu::{Variant, Word},
    graph::{Access, Lowering, Shape, Var},
};

/// A convolution, or its adjoint, as its kernels see it.
#[derive(Clone, Debug)]
pub(in crate::ops) struct Gather {
    pub out: Shape,
    /// Of the first source.
    pub input: Shape,
    pub second_c4: usize,
    pub geometry: Geometry,
    /// True for the transposed convolution.
    pub adjoint: bool,
    /// Every picture has its own weight.
    pub batched: bool,
    pub rows: usize,
    pub first_row: usize,
    pub cols4: usize,
    pub slope: f32,
}

/// What follows a convolution in the same pass: buffers and the features of `shared/epilogue.wgsl`.
#[derive(Clone, Debug, Default)]
pub(in crate::ops) struct Epilogue {
    pub features: Vec<&'static str>,
    pub buffers: Vec<Access>,
}

impl Epilogue {
    /// Adds a buffer, in the order of the shader's bindings.
    pub fn add(&mut self, feature: &'static str, buffer: Access) {
        self.features.push(feature);
        self.buffers.push(buffer);
    }

    /// Adds the tensor that is summed before or after the activation.
    pub fn join(&mut self, join: Join, other: impl FnOnce() -> Var) {
        match join {
            Join::None => {}
            Join::Before => self.add("residual", Access::Read(other())),
            Join::After => self.add("residual_after", Access::Read(other())),
        }
    }

    /// Has this activation.
    pub fn activate(&mut self, act: Act) {
        self.features.extend((act != Act::Identity).then_some(act.name()));
    }

    /// The same kernel with this epilogue.
    pub fn on(&self, variant: Variant) -> Variant {
        self.features.iter().fold(variant, |v, f| v.feature(*f, true))
    }
}

/// The tensors of a convolution.
#[derive(Clone, Debug)]
pub(in crate::ops) struct Tensors {
    pub out: Var,
    pub weight: Var,
    pub sources: Vec<Var>,
    pub epilogue: Epilogue,
}

impl Gather {
    fn params(&self) -> Vec<(&'static str, Word)> {
        let g = &self.geometry;
        let int = |v: usize| Word::I(v as i32);
        let sign = if self.adjoint { 1 } else { -1 };
        vec![
            ("batch", self.out.n.into()),
            ("out_h", self.out.h.into()),
            ("out_w", self.out.w.into()),
            ("out_c", self.out.c.into()),
            ("in_h", int(self.input.h)),
            ("in_w", int(self.input.w)),
            ("in_c4", self.input.c4().into()),
            ("in2_c4", self.second_c4.into()),
            ("offset_y", Word::I(sign * g.pads[0] as i32)),
            ("offset_x", Word::I(sign * g.pads[1] as i32)),
            ("step_y", Word::I(-sign * g.dilation[0] as i32)),
            ("step_x", Word::I(-sign * g.dilation[1] as i32)),
            ("rows", self.rows.into()),
            ("first_row", self.first_row.into()),
            ("cols4", self.cols4.into()),
            ("groups", g.groups.into()),
            ("slope", self.slope.into()),
        ]
    }

    /// Zeros that a transposed convolution puts between pixels, as steps along each axis.
    pub fn up(&self) -> [usize; 2] {
        if self.adjoint { self.geometry.stride } else { [1, 1] }
    }

    /// `file` with the geometry baked in.
    fn baked(&self, file: &'static str) -> Variant {
        let [stride_y, stride_x] = if self.adjoint { [1, 1] } else { self.geometry.stride };
        let [up_y, up_x] = self.up();
        let [kernel_h, kernel_w] = self.geometry.kernel;
        [
            ("KERNEL_H", kernel_h),
            ("KERNEL_W", kernel_w),
            ("STRIDE_Y", stride_y),
            ("STRIDE_X", stride_x),
            ("UP_Y", up_y),
            ("UP_X", up_x),
        ]
        .into_iter()
        .fold(Variant::new(file), |v, (name, value)| v.constant(name, value as u32))
    }

    /// Strips of `pixels` pixels, over all rows and phases.
    fn strips(&self, pixels: usize) -> usize {
        let up = self.up()[1];
        self.out.n * self.out.h * up * self.out.w.div_ceil(up).div_ceil(pixels)
    }

    /// Tiles of workgroups, each of one phase or, where weights differ, of one picture.
    fn tiles(&self, pixels: u32, channels: u32) -> usize {
        let [up_y, up_x] = self.up();
        let picture = self.out.h.div_ceil(up_y) * self.out.w.div_ceil(up_x);
        let (parts, all) = match self.batched {
            true => (self.out.n, picture),
            false => (up_y * up_x, self.out.n * picture),
        };
        parts * all.div_ceil(pixels as usize) * (4 * self.out.c4()).div_ceil(channels as usize)
    }

    /// The kernel of a grouped convolution and its invocations. A depthwise weight is its own transpose,
    /// so both directions share that form.
    fn grouped(&self, channels: usize) -> (Variant, usize) {
        let depthwise = self.geometry.depthwise(channels, self.out.c);
        let tile =
            SlidingTile::of(&self.geometry).filter(|_| !self.adjoint || self.geometry.stride == [1, 1]);
        if let Some(tile) = tile.filter(|_| depthwise) {
            let Shape { n, h, w, .. } = self.out;
            let variant = tile.variant("conv2d/depthwise_tile").feature("flip", self.adjoint);
            return (variant, tile.count(n, h, w) * self.out.c4());
        }
        let file = match (depthwise, self.adjoint) {
            (true, _) => "conv2d/depthwise",
            (false, true) => "conv_transpose2d/grouped",
            (false, false) => "conv2d/grouped",
        };
        let pixels = if self.out.w.div_ceil(self.up()[1]) > 4 { 8 } else { 4 };
        let variant = self.baked(file).constant("PIXELS", pixels as u32);
        (variant, self.strips(pixels) * self.out.c4())
    }

    /// The kernel of a dense convolution and its invocations.
    fn dense(&self, product: Product) -> (Variant, usize) {
        let out_c4 = self.out.c4();
        match product {
            Product::Rows { pixels, cols } => {
                let adjoint = if self.adjoint { "conv_transpose2d/dense" } else { "conv2d/dense" };
                let variant = self.baked(adjoint).constant("PIXELS", pixels).constant("COLS", cols);
                (variant, self.strips(pixels as usize) * out_c4.div_ceil(cols as usize))
            }
            Product::Tile(tile) => {
                let variant = tile.sized(self.baked("conv2d/tile")).feature("adjoint", self.adjoint);
                (variant, self.tiles(tile.pixels, tile.channels) * tile.threads() as usize)
            }
            Product::Matrix(matrices) => {
                let variant = self.baked("conv2d/matrix").constant("STEP", 8);
                let variant = matrices.sized(variant).feature("adjoint", self.adjoint);
                let side = 4 * matrices.side;
                (variant, self.tiles(side, side) * 4 * matrices.subgroup as usize)
            }
        }
    }

    /// Adds the dispatches, in `form` where the convolution is dense.
    pub fn lower(&self, l: &mut Lowering<'_>, tensors: &Tensors, form: Form) {
        let dense = self.geometry.groups == 1;
        if let (true, Some(made)) = (dense, form.winograd) {
            return winograd::lower(l, self, tensors, made, form.product);
        }
        self.dispatch(l, tensors, form.product);
    }

    /// Adds the dispatch that makes the whole of it.
    pub fn dispatch(&self, l: &mut Lowering<'_>, tensors: &Tensors, product: Product) {
        let dense = self.geometry.groups == 1;
        let (variant, threads) = if dense { self.dense(product) } else { self.grouped(self.input.c) };
        let variant = variant.feature("two", tensors.sources.len() == 2).feature("batched", self.batched);
        let mut buffers = vec![Access::Write(tensors.out), Access::Read(tensors.weight)];
        buffers.extend(tensors.sources.iter().map(|v| Access::Read(*v)));
        buffers.extend(&tensors.epilogue.buffers);
        l.dispatch(tensors.epilogue.on(variant), self.params(), buffers, threads);
    }
}
