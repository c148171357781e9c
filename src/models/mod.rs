//! Networks, one file each (the four public U-Nets are one family and share a file).

mod descent;
mod efficientnet;
mod efficientunetpp;
mod grenet;
pub mod prune;
mod res_unet;
mod rr_att_unet;
mod sigrenet;
mod smoothing;
mod two_stage;
mod two_stage_unet;
mod unet;
mod unetpp;

pub use descent::{Descent, EdgeFilter, Energy, Step};
pub use efficientnet::{Encoder, Stage};
pub use efficientunetpp::is_unused;
pub use sigrenet::Unit;
pub use smoothing::Smoothing;
pub use two_stage::{Doubt, Staged, TwoStage, probabilities};

use crate::{
    Error, Result,
    graph::{Graph, Var},
    nn::{Net, Recurrence, Scheme},
    ops::Act,
};

/// Which network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// U-Net with batch norm, nearest upsampling (Ronneberger et al. 2015, in its public form).
    UNet,
    /// Recurrent residual U-Net (Alom et al. 2018).
    R2UNet,
    /// Attention U-Net (Oktay et al. 2018).
    AttUNet,
    /// Both.
    R2AttUNet,
    /// The recurrent residual attention U-Net of the focal Tversky paper: ReLU before batch norm, tanh gate,
    /// transposed convolutions.
    RrAttUNet,
    /// EfficientUNet++: an EfficientNet and the dense grid of UNet++ (Silva et al. 2021).
    EfficientUNetPp,
    /// SiGREnet: depthwise separable residual blocks, recurrent units in the decoder.
    SiGREnet,
    /// The U-Net of the two-stage paper: strided convolutions, no batch norm.
    TwoStageUNet,
    /// U-Net of pre-activated residual units (Zhang et al. 2018).
    ResUNet,
    /// UNet++ with a result at each depth (Zhou et al. 2018).
    UNetPp,
    /// GREnet: U-Nets one after another that remember (IEEE TNNLS 2024).
    GREnet,
}

impl Network {
    /// All networks.
    pub const ALL: [Self; 11] = [
        Self::UNet,
        Self::R2UNet,
        Self::AttUNet,
        Self::R2AttUNet,
        Self::RrAttUNet,
        Self::EfficientUNetPp,
        Self::SiGREnet,
        Self::TwoStageUNet,
        Self::ResUNet,
        Self::UNetPp,
        Self::GREnet,
    ];

    /// Those that have as many levels as they are given widths.
    pub const U_NETS: [Self; 5] = [Self::UNet, Self::R2UNet, Self::AttUNet, Self::R2AttUNet, Self::RrAttUNet];

    /// Name in configs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UNet => "unet",
            Self::R2UNet => "r2unet",
            Self::AttUNet => "attunet",
            Self::R2AttUNet => "r2attunet",
            Self::RrAttUNet => "rrattunet",
            Self::EfficientUNetPp => "efficientunetpp",
            Self::SiGREnet => "sigrenet",
            Self::TwoStageUNet => "twostageunet",
            Self::ResUNet => "resunet",
            Self::UNetPp => "unetpp",
            Self::GREnet => "grenet",
        }
    }
}

/// A network and its hyperparameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Which network.
    pub network: Network,
    /// Channels of the picture.
    pub in_channels: usize,
    /// Channels of the result: 1 for a binary mask, else one a class.
    pub out_channels: usize,
    /// Channels of each level, from the picture's size down. `EfficientUNetPp`: of the decoder's five, from the deepest
    /// up.
    pub widths: Vec<usize>,
    /// Recurrence steps; a recurrent unit is applied t + 1 times, that of `SiGREnet` t times.
    pub t: usize,
    /// Running statistics for each recurrence step.
    pub bn_per_step: bool,
    /// `RrAttUNet`: one kernel for the feed-forward and the recurrent path.
    pub share: bool,
    /// `RrAttUNet`: the block's input is added to its result.
    pub residual: bool,
    /// `RrAttUNet`: gates on all skips but the shallowest.
    pub attention: bool,
    /// `RrAttUNet`: non-linearity of the gates.
    pub gate_act: Act,
    /// `RrAttUNet`: batch norm in the gates.
    pub gate_bn: bool,
    /// `EfficientUNetPp`: the encoder.
    pub encoder: Encoder,
    /// `EfficientUNetPp`: how many times a block of the decoder widens its input.
    pub expansion: usize,
    /// `EfficientUNetPp`: by what the scSE of the decoder narrows its channels.
    pub squeeze: usize,
    /// `SiGREnet`: what refines the features of each scale of the decoder.
    pub unit: Unit,
    /// Epsilon of batch norm; that of an encoder is its own.
    pub bn_eps: f32,
    /// Momentum of batch norm.
    pub bn_momentum: f32,
    /// How weights start.
    pub scheme: Scheme,
    /// What beliefs, or features of the decoder, descend.
    pub descent: Option<Descent>,
    /// What smooths pictures first. A descent of the logits sees them as they are.
    pub smoothing: Smoothing,
}

impl Model {
    /// A network with its public or published settings: widths 64 to 1024, t = 2; the encoder B0 and decoder
    /// widths 256 to 16; or, for SiGREnet, widths 32 to 512, t = 3.
    pub fn new(network: Network, in_channels: usize, out_channels: usize) -> Self {
        let paper = network == Network::RrAttUNet;
        Self {
            network,
            in_channels,
            out_channels,
            widths: match network {
                Network::EfficientUNetPp => vec![256, 128, 64, 32, 16],
                Network::SiGREnet => vec![32, 64, 128, 256, 512],
                Network::ResUNet => vec![64, 128, 256, 512],
                Network::GREnet => vec![16, 32, 64, 128, 256],
                _ => vec![64, 128, 256, 512, 1024],
            },
            t: if matches!(network, Network::SiGREnet | Network::GREnet) { 3 } else { 2 },
            bn_per_step: true,
            share: true,
            residual: true,
            attention: true,
            gate_act: if paper { Act::Tanh } else { Act::Relu },
            gate_bn: !paper,
            encoder: Encoder::scaled(1.0, 1.0),
            expansion: 1,
            squeeze: 1,
            unit: Unit::Grrb { still_input: false, still_gate: false },
            bn_eps: 1e-5,
            bn_momentum: 0.1,
            scheme: match network {
                Network::RrAttUNet | Network::SiGREnet | Network::ResUNet => Scheme::He,
                Network::UNetPp | Network::GREnet => Scheme::He,
                Network::EfficientUNetPp => Scheme::Public,
                _ => Scheme::PyTorch,
            },
            descent: None,
            smoothing: Smoothing::default(),
        }
    }

    /// Pictures must be multiples of this many pixels high and wide.
    pub fn multiple(&self) -> usize {
        match self.network {
            Network::EfficientUNetPp => 32,
            Network::TwoStageUNet => 1 << self.widths.len(),
            _ => 1 << self.widths.len().saturating_sub(1),
        }
    }

    /// Levels of the decoder, the picture's own size the first.
    pub fn levels(&self) -> usize {
        match self.network {
            Network::EfficientUNetPp | Network::TwoStageUNet => self.widths.len(),
            _ => self.widths.len().saturating_sub(1),
        }
    }

    /// What becomes of `state`, the decoder's features at `level` or, at 0, the logits, where the descent has its place.
    fn descended(&self, net: &mut Net<'_>, picture: Var, level: usize, state: Var) -> Result<Var> {
        match self.descent.as_ref().filter(|descent| descent.level == level) {
            Some(descent) => descent.apply(net, picture, state),
            None => Ok(state),
        }
    }

    fn recurrence(&self) -> Recurrence {
        Recurrence { t: self.t, bn_per_step: self.bn_per_step }
    }

    /// Adds the network to `graph`: from pictures `[N, H, W, in]` to logits `[N, H, W, out]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the pictures do not fit the network.
    pub fn build(&self, graph: &mut Graph, x: Var, train: bool) -> Result<Var> {
        let results = self.build_stages(graph, x, train)?;
        results.last().copied().ok_or_else(|| Error::shape(self.network.name(), "has no result"))
    }

    /// How many results [`Self::build_stages`] gives.
    pub fn stages(&self) -> usize {
        match self.network {
            Network::UNetPp => self.widths.len().saturating_sub(1).max(1),
            Network::GREnet => self.t.max(1),
            _ => 1,
        }
    }

    /// As [`Self::build`], with the logits of all stages of `GREnet` and all depths of `UNetPp`, which are trained together, the
    /// network's result last; of others that alone.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_stages(&self, graph: &mut Graph, x: Var, train: bool) -> Result<Vec<Var>> {
        let shape = graph.shape(x);
        let name = self.network.name();
        if self.widths.is_empty() || self.widths.contains(&0) || self.out_channels == 0 {
            return Err(Error::shape(
                name,
                format!("widths {:?} and channels must be positive", self.widths),
            ));
        }
        if shape.c != self.in_channels {
            let message = format!("pictures have {} channels, the model wants {}", shape.c, self.in_channels);
            return Err(Error::shape(name, message));
        }
        let m = self.multiple();
        if !shape.h.is_multiple_of(m) || !shape.w.is_multiple_of(m) || shape.count() == 0 {
            let message = format!(
                "height and width must be multiples of {m} ({} halvings), got {}x{}",
                m.ilog2(),
                shape.h,
                shape.w
            );
            return Err(Error::shape(name, message));
        }
        if let Some(level) = self.descent.as_ref().map(|d| d.level).filter(|level| *level > self.levels()) {
            let levels = self.levels();
            return Err(Error::shape(
                name,
                format!("has decoder levels 1 to {levels}, and no {level} to descend at"),
            ));
        }
        let seen = self.smoothing.apply(graph, x)?;
        let mut net = Net::new(graph, train);
        (net.scheme, net.bn_eps, net.bn_momentum) = (self.scheme, self.bn_eps, self.bn_momentum);
        let mut stages = match self.network {
            Network::UNetPp => unetpp::build(self, &mut net, seen)?,
            Network::GREnet => grenet::build(self, &mut net, seen)?,
            Network::RrAttUNet => vec![rr_att_unet::build(self, &mut net, seen)?],
            Network::EfficientUNetPp => vec![efficientunetpp::build(self, &mut net, seen)?],
            Network::SiGREnet => vec![sigrenet::build(self, &mut net, seen)?],
            Network::TwoStageUNet => vec![two_stage_unet::build(self, &mut net, seen)?],
            Network::ResUNet => vec![res_unet::build(self, &mut net, seen)?],
            _ => vec![unet::build(self, &mut net, seen)?],
        };
        if let Some(result) = stages.last_mut() {
            *result = self.descended(&mut net, x, 0, *result)?;
        }
        Ok(stages)
    }
}
