//! What queueing theory says, worked out here so that the constants in the issue are checked and not only believed. Time is
//! counted in services.

/// M/M/c: the probability of waiting and the mean wait of everybody.
pub struct ErlangC {
    pub waits: f64,
    pub mean_wait: f64,
}

/// Erlang's delay formula by the recursion of his loss formula, B(n) = a B(n-1) / (n + a B(n-1)); then
/// C = B / (1 - rho (1 - B)) and W = C / (c - a). R. B. Cooper, Introduction to Queueing Theory, 2nd ed. (1981), 3.3 and 3.4.
pub fn erlang_c(servers: u32, load: f64) -> ErlangC {
    let loss = (1..=servers).fold(1.0, |loss, n| load * loss / (f64::from(n) + load * loss));
    let waits = loss / (1.0 - load / f64::from(servers) * (1.0 - loss));
    ErlangC { waits, mean_wait: waits / (f64::from(servers) - load) }
}

/// M/M/c+M: the probability of waiting and of giving up.
pub struct ErlangA {
    pub waits: f64,
    pub gives_up: f64,
}

/// The stationary law of the birth-death process with births `load` and deaths min(n, c) + (n - c)+ `impatience`, summed until
/// nothing is left of it; the rate of giving up is `impatience` times the mean queue. O. Garnett, A. Mandelbaum and M. Reiman,
/// Designing a call center with impatient customers, M&SOM 4 (2002), section 2.
pub fn erlang_a(servers: u32, load: f64, impatience: f64) -> ErlangA {
    let (mut weight, mut sum, mut all_busy, mut queue) = (1.0, 1.0, 0.0, 0.0);
    for n in 1..20 * servers {
        let waiting = f64::from(n.saturating_sub(servers));
        weight *= load / (f64::from(n.min(servers)) + waiting * impatience);
        sum += weight;
        all_busy += if n >= servers { weight } else { 0.0 };
        queue += weight * waiting;
    }
    ErlangA { waits: all_busy / sum, gives_up: impatience * queue / sum / load }
}

/// Mean waits of classes with equal services, the first class first, nobody interrupted:
/// W(k) = C / c / ((1 - s(k-1)) (1 - s(k))), s(k) the load of classes 1 to k per server. A. Cobham, Priority assignment in
/// waiting line problems, Operations Research 2 (1954); O. Kella and U. Yechiali, Waiting times in the non-preemptive priority
/// M/M/c queue, Stochastic Models 1 (1985).
pub fn priority(servers: u32, loads: [f64; 2]) -> [f64; 2] {
    let count = f64::from(servers);
    let waits = erlang_c(servers, loads[0] + loads[1]).waits;
    let (first, both) = (loads[0] / count, (loads[0] + loads[1]) / count);
    [waits / count / (1.0 - first), waits / count / ((1.0 - first) * (1.0 - both))]
}
