//! The few distributions that the tests need: normal and Student's t, forwards and backwards.

/// Natural logarithm of the gamma function for x > 0 (Stirling's series after shifting x above 8).
pub(crate) fn ln_gamma(x: f64) -> f64 {
    let mut shift = 0.0;
    let mut x = x;
    while x < 8.0 {
        shift += x.ln();
        x += 1.0;
    }
    let inv = 1.0 / x;
    let inv2 = inv * inv;
    let series = inv / 12.0 * (1.0 - inv2 / 30.0 * (1.0 - inv2 * 2.0 / 7.0 * (1.0 - inv2 * 0.75)));
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - shift
}

/// Regularised incomplete beta function I_x(a, b), by its continued fraction.
fn beta_share(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast on this side only.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_share(b, a, 1.0 - x);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp() / a;
    let nonzero = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let (mut c, mut d) = (1.0, 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0)));
    let mut value = d;
    for m in 1..300 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / nonzero(1.0 + term * d);
            c = nonzero(1.0 + term / c);
            change = c * d;
            value *= change;
        }
        if (change - 1.0).abs() < 1e-14 {
            break;
        }
    }
    (front * value).clamp(0.0, 1.0)
}

/// P(T > t) for Student's t with `dof` > 0 degrees of freedom.
pub(crate) fn t_upper(t: f64, dof: f64) -> f64 {
    let tail = 0.5 * beta_share(dof / 2.0, 0.5, dof / (dof + t * t));
    if t >= 0.0 { tail } else { 1.0 - tail }
}

/// The `p` quantile of Student's t, 0 < p < 1, by bisection. `dof` > 0.
pub(crate) fn t_quantile(p: f64, dof: f64) -> f64 {
    if p < 0.5 {
        return -t_quantile(1.0 - p, dof);
    }
    let (mut low, mut high) = (0.0, 1.0);
    while t_upper(high, dof) > 1.0 - p && high < 1e9 {
        high *= 2.0;
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if t_upper(middle, dof) > 1.0 - p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// The `p` quantile of the standard normal: Student's t with as many degrees of freedom as make no difference.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    t_quantile(p, 1e7)
}

/// P(Z < z) for the standard normal, to 2e-7 (Abramowitz and Stegun 26.2.17): fast, for mixtures of many.
pub(crate) fn normal_below(z: f64) -> f64 {
    let k = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series =
        0.319_381_530 + k * (-0.356_563_782 + k * (1.781_477_937 + k * (-1.821_255_978 + k * 1.330_274_429)));
    let tail = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt() * k * series;
    if z >= 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_tables() {
        assert!((t_quantile(0.975, 10.0) - 2.228_139).abs() < 1e-5);
        assert!((t_quantile(0.95, 1.0) - 6.313_752).abs() < 1e-5);
        assert!((t_quantile(0.05, 5.0) + 2.015_048).abs() < 1e-5);
        assert!((normal_quantile(0.975) - 1.959_964).abs() < 1e-4);
        assert!((t_upper(0.0, 3.0) - 0.5).abs() < 1e-12);
        assert!((normal_below(1.959_964) - 0.975).abs() < 1e-6);
        assert!((normal_below(-1.0) - 0.158_655).abs() < 1e-6);
        assert!((ln_gamma(5.0) - 24f64.ln()).abs() < 1e-9);
    }
}
