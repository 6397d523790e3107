//! Learning: a logistic model over bags of windows.
//!
//! Owns the rounds. A harmless text teaches by the windows that the last round found most suspicious, an embedded attack by
//! those that hold the order itself. The same rows give the same weights: the order comes from a fixed generator.

use creel_scan::injection::training::{Bag, HEAD, SLOTS};

/// Weights, and the bias.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) weights: Vec<f32>,
    pub(crate) bias: f32,
}

/// What is learned from one text.
#[derive(Debug)]
pub(crate) struct Example<'a> {
    pub(crate) bag: &'a Bag,
    pub(crate) is_attack: bool,
    /// Windows of an attack that hold the order itself, as far as that is known.
    pub(crate) order: Option<Vec<(u32, u32)>>,
    /// Windows of an attack that hold nothing of it.
    pub(crate) rest: Vec<(u32, u32)>,
    pub(crate) weight: f32,
}

/// What can be turned. The figures are those that did best on the sources left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Knobs {
    /// How often the windows to learn from are picked anew.
    pub(crate) rounds: usize,
    /// Passes over them in each round.
    pub(crate) epochs: usize,
    pub(crate) rate: f32,
    pub(crate) decay: f32,
    /// Windows of a harmless text: so many of the highest, and so many at random.
    pub(crate) harmless: usize,
    /// Texts that must share a feature before it counts.
    pub(crate) texts: u32,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { rounds: 4, epochs: 5, rate: 0.08, decay: 2e-3, harmless: 5, texts: 4 }
    }
}

impl Model {
    /// The odds of one window, by the model alone.
    pub(crate) fn score(&self, bag: &Bag, window: (u32, u32)) -> f32 {
        let features = bag.features.get(window.0 as usize..window.1 as usize).unwrap_or_default();
        self.bias + features.iter().map(|at| self.weights.get(*at as usize).copied().unwrap_or(0.0)).sum::<f32>()
    }

    /// The weights file: what a weight of 1 is worth and the bias, both in 2^-20, and a byte for each place.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let most = self.weights.iter().fold(1e-3_f32, |most, weight| most.max(weight.abs()));
        let unit = most / 127.0;
        let fixed = |value: f32| ((value * 1_048_576.0).round() as i32).to_le_bytes();
        let mut bytes = Vec::with_capacity(HEAD + SLOTS);
        bytes.extend(fixed(unit));
        bytes.extend(fixed(self.bias));
        bytes.extend(self.weights.iter().map(|weight| ((weight / unit).round() as i8).cast_unsigned()));
        bytes
    }

    /// The odds of a text, its rules included.
    pub(crate) fn highest(&self, bag: &Bag) -> f32 {
        bag.odds(|window| self.score(bag, window))
    }
}

/// Learns from all examples.
pub(crate) fn learn(examples: &[Example<'_>], knobs: Knobs) -> Model {
    let known = frequent(examples, knobs);
    let mut model = Model { weights: vec![0.0; SLOTS], bias: -2.0 };
    let mut random = Random::new();
    for round in 0..knobs.rounds {
        let mut steps = Vec::new();
        for (at, example) in examples.iter().enumerate() {
            pick(&model, example, round, knobs, &mut random, |window, truth| steps.push((at, window, truth)));
        }
        let mut squares = vec![1e-2_f32; SLOTS + 1];
        for _ in 0..knobs.epochs {
            random.shuffle(&mut steps);
            for (at, window, truth) in &steps {
                let Some(example) = examples.get(*at) else { continue };
                step(&mut model, &mut squares, &known, example, (*window, *truth), knobs);
            }
        }
    }
    for (weight, known) in model.weights.iter_mut().zip(&known) {
        *weight = if *known { *weight } else { 0.0 };
    }
    model
}

/// Places that enough texts share.
fn frequent(examples: &[Example<'_>], knobs: Knobs) -> Vec<bool> {
    let mut counts = vec![(0_u32, usize::MAX); SLOTS];
    for (at, example) in examples.iter().enumerate() {
        let mut see = |place: &u32| {
            if let Some(count) = counts.get_mut(*place as usize).filter(|count| count.1 != at) {
                *count = (count.0 + 1, at);
            }
        };
        match &example.order {
            Some(order) if example.is_attack => {
                for window in order {
                    example
                        .bag
                        .features
                        .get(window.0 as usize..window.1 as usize)
                        .unwrap_or_default()
                        .iter()
                        .for_each(&mut see);
                }
            }
            _ => example.bag.features.iter().for_each(&mut see),
        }
    }
    counts.into_iter().map(|(count, _)| count >= knobs.texts).collect()
}

/// The windows of one example that a round learns from.
fn pick(
    model: &Model,
    example: &Example<'_>,
    round: usize,
    knobs: Knobs,
    random: &mut Random,
    mut give: impl FnMut((u32, u32), bool),
) {
    let bag = example.bag;
    let ranked = |windows: &[(u32, u32)], random: &mut Random| {
        let mut ranked: Vec<(f32, (u32, u32))> =
            windows.iter().map(|window| (model.score(bag, *window), *window)).collect();
        if round > 0 {
            ranked.sort_by(|one, other| other.0.total_cmp(&one.0));
        } else {
            random.shuffle(&mut ranked);
        }
        ranked
    };
    if example.is_attack {
        let (windows, taken) = match &example.order {
            Some(order) => (order.as_slice(), 2),
            None => (bag.windows.as_slice(), if round == 0 { 1 } else { 2 }),
        };
        let taken = if example.order.is_none() && windows.len() > 3 && round == 0 { 0 } else { taken };
        for (_, window) in ranked(windows, random).iter().take(taken) {
            give(*window, true);
        }
        for (_, window) in ranked(&example.rest, random).iter().take(2) {
            give(*window, false);
        }
        return;
    }
    let ranked = ranked(&bag.windows, random);
    for (_, window) in ranked.iter().take(knobs.harmless) {
        give(*window, false);
    }
    if ranked.len() > knobs.harmless {
        for _ in 0..knobs.harmless {
            let at = random.below(ranked.len());
            give(ranked.get(at).map_or((0, 0), |(_, window)| *window), false);
        }
    }
}

/// One step down the slope (AdaGrad).
fn step(
    model: &mut Model,
    squares: &mut [f32],
    known: &[bool],
    example: &Example<'_>,
    (window, truth): ((u32, u32), bool),
    knobs: Knobs,
) {
    let odds = model.score(example.bag, window);
    let truth = if truth { 1.0 } else { 0.0 };
    let slope = (1.0 / (1.0 + (-odds).exp()) - truth) * example.weight;
    let features = example.bag.features.get(window.0 as usize..window.1 as usize).unwrap_or_default();
    for place in features {
        let place = *place as usize;
        let (Some(weight), Some(square)) = (model.weights.get_mut(place), squares.get_mut(place)) else { continue };
        if !known.get(place).copied().unwrap_or(false) {
            continue;
        }
        *square += slope * slope;
        *weight -= knobs.rate * (slope / square.sqrt() + knobs.decay * *weight);
    }
    if let Some(square) = squares.last_mut() {
        *square += slope * slope;
        model.bias -= knobs.rate * slope / square.sqrt();
    }
}

/// xorshift64*: the same numbers on every machine.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        Self(0x2545_f491_4f6c_dd1d)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % end.max(1)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}
