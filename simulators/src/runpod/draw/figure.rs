//! `model`: a figure before a background; pose, gender, ethnicity, age and clothing can be told by eye.

use super::Variety;
use super::canvas::{Canvas, Color, Point};
use crate::runpod::product::Order;

const HEAD: f32 = 0.075;
const LIMB: f32 = 0.045;

/// Where the joints are; shares of the picture's width and height.
struct Pose {
    hips: Point,
    hands: [Point; 2],
    knees: [Point; 2],
    feet: [Point; 2],
}

/// Shapes strewn over the background.
const SHAPES: usize = 7;

pub(super) fn draw(order: &Order, variety: &mut Variety) -> Canvas {
    let mut canvas = Canvas::new(order.width, order.height);
    background(&mut canvas, order, variety);
    figure(&mut canvas, order, variety);
    canvas
}

fn figure(canvas: &mut Canvas, order: &Order, variety: &mut Variety) {
    // The figure keeps its proportions on pictures of every shape.
    let narrow = 1.0 / canvas.aspect();
    let at = |(x, y): Point| (0.5 + (x - 0.5) * narrow, y);
    let pose = pose(order.text("pose"));
    let skin = skin(order.text("ethnicity"), variety);
    let (top, legs, shoes) = clothes(order.text("clothing_style"), variety);
    let hair = if order.text("age_range") == "50+" { [196, 196, 200] } else { dark(variety.color(0)) };
    let long_hair = order.text("gender") == "female" || (order.text("gender") == "non-binary" && variety.share() > 0.5);
    let shoulder = if order.text("gender") == "male" { 0.105 } else { 0.085 };

    canvas.ellipse(at((0.5, 0.95)), (0.22 * narrow, 0.02), [70, 70, 75]);
    if long_hair {
        canvas.ellipse(at((0.5, 0.2)), (0.09 * narrow, 0.13), hair);
    }
    let hip_width = shoulder * 0.7;
    for side in [0, 1] {
        let sign = if side == 0 { -1.0 } else { 1.0 };
        let hip = (pose.hips.0 + sign * hip_width * 0.6, pose.hips.1);
        canvas.limb(at(hip), at(pose.knees[side]), LIMB * 1.3, legs);
        canvas.limb(at(pose.knees[side]), at(pose.feet[side]), LIMB, legs);
        canvas.ellipse(at((pose.feet[side].0 + 0.015, pose.feet[side].1 + 0.01)), (0.04 * narrow, 0.017), shoes);
    }
    canvas.limb(at((0.5, 0.22)), at((0.5, 0.3)), LIMB, skin);
    canvas.polygon(
        &[
            at((0.5 - shoulder, 0.3)),
            at((0.5 + shoulder, 0.3)),
            at((pose.hips.0 + hip_width, pose.hips.1 + 0.02)),
            at((pose.hips.0 - hip_width, pose.hips.1 + 0.02)),
        ],
        top,
    );
    for (side, hand) in pose.hands.into_iter().enumerate() {
        let sign = if side == 0 { -1.0 } else { 1.0 };
        let joint = (0.5 + sign * shoulder, 0.315);
        let elbow = ((joint.0 + hand.0) / 2.0 + sign * 0.02, (joint.1 + hand.1) / 2.0);
        canvas.limb(at(joint), at(elbow), LIMB, top);
        canvas.limb(at(elbow), at(hand), LIMB * 0.8, skin);
    }
    face(canvas, at((0.5, 0.16)), narrow, skin, hair);
}

fn face(canvas: &mut Canvas, (x, y): Point, narrow: f32, skin: Color, hair: Color) {
    canvas.ellipse((x, y - 0.02), (HEAD * 1.05 * narrow, HEAD * 1.1), hair);
    canvas.ellipse((x, y + 0.01), (HEAD * 0.88 * narrow, HEAD), skin);
    for sign in [-1.0, 1.0] {
        canvas.ellipse((x + sign * 0.028 * narrow, y), (0.009 * narrow, 0.006), [35, 30, 30]);
    }
    canvas.ellipse((x, y + 0.048), (0.022 * narrow, 0.006), [170, 70, 75]);
}

fn pose(name: &str) -> Pose {
    match name {
        "sitting" => Pose {
            hips: (0.5, 0.6),
            hands: [(0.42, 0.62), (0.62, 0.64)],
            knees: [(0.58, 0.65), (0.68, 0.66)],
            feet: [(0.57, 0.9), (0.69, 0.91)],
        },
        "walking" => Pose {
            hips: (0.5, 0.58),
            hands: [(0.33, 0.52), (0.67, 0.5)],
            knees: [(0.43, 0.75), (0.6, 0.74)],
            feet: [(0.33, 0.91), (0.64, 0.93)],
        },
        "action" => Pose {
            hips: (0.5, 0.57),
            hands: [(0.27, 0.18), (0.74, 0.22)],
            knees: [(0.37, 0.7), (0.66, 0.68)],
            feet: [(0.26, 0.88), (0.78, 0.78)],
        },
        _ => Pose {
            hips: (0.5, 0.58),
            hands: [(0.36, 0.57), (0.64, 0.57)],
            knees: [(0.455, 0.76), (0.545, 0.76)],
            feet: [(0.45, 0.93), (0.55, 0.93)],
        },
    }
}

fn skin(ethnicity: &str, variety: &mut Variety) -> Color {
    let base: Color = match ethnicity {
        "asian" => [238, 205, 165],
        "african" => [120, 78, 52],
        "hispanic" => [205, 155, 115],
        "mixed" => [180, 130, 95],
        _ => [245, 215, 195],
    };
    let shade = variety.byte() % 18;
    base.map(|channel| channel.saturating_sub(shade))
}

fn clothes(style: &str, variety: &mut Variety) -> (Color, Color, Color) {
    match style {
        "formal" => (dark(variety.color(0)), [38, 38, 46], [20, 18, 18]),
        "athletic" => (variety.color(120), [30, 30, 34], [245, 245, 245]),
        "fashion" => (variety.color(40), variety.color(40), variety.color(0)),
        _ => (variety.color(80), [58, 84, 132], [90, 60, 40]),
    }
}

fn dark(color: Color) -> Color {
    color.map(|channel| channel / 3)
}

fn background(canvas: &mut Canvas, order: &Order, variety: &mut Variety) {
    let (top, bottom) = match order.text("background") {
        "studio_white" => ([252, 252, 250], variety.color(190)),
        "studio_gray" => ([150, 152, 155], variety.color(70)),
        "natural" => ([150, 200, 240], [60, 130, 60]),
        _ => (variety.color(90), variety.color(30)),
    };
    canvas.gradient(top, bottom);
    for shape in 0..SHAPES {
        let color = variety.color(60);
        let (x, y) = variety.point();
        let (a, b) = (0.03 + 0.09 * variety.share(), 0.03 + 0.09 * variety.share());
        match shape % 3 {
            0 => canvas.ellipse((x, y), (a, b), color),
            1 => canvas.polygon(&[(x - a, y - b), (x + a, y - b), (x + a, y + b), (x - a, y + b)], color),
            _ => canvas.polygon(&[(x, y - b), (x + a, y + b), (x - a, y + b)], color),
        }
    }
}
