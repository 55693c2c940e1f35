//! Loops compiled more than once: for every CPU, and for those with AVX2 or AVX-512, chosen when the program runs.

/// Makes a function of which the loops use the widest vectors that the CPU has: the body is compiled for each width. Floats
/// are added and multiplied as written, never fused, so the bits are the same. Bars of the ten features: 7.2 -> 4.0 ns a
/// trade with AVX2, 2.3 with AVX-512, in the caches.
///
/// What the loops call must be inlined, or it is compiled for every CPU alone: write `for`, not `fold` or `sum`, around
/// more than a line.
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name($($argument: $type),*) $(-> $out)? {
            #[inline(always)]
            fn plain($($argument: $type),*) $(-> $out)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
                fn avx512($($argument: $type),*) $(-> $out)? {
                    plain($($argument),*)
                }

                #[target_feature(enable = "avx2")]
                fn avx2($($argument: $type),*) $(-> $out)? {
                    plain($($argument),*)
                }

                match $crate::core::simd::width() {
                    #[expect(unsafe_code, reason = "compiled for more than every CPU has")]
                    // SAFETY: the CPU has what the function was compiled for.
                    $crate::core::simd::Width::Avx512 => return unsafe { avx512($($argument),*) },
                    #[expect(unsafe_code, reason = "compiled for more than every CPU has")]
                    // SAFETY: as above.
                    $crate::core::simd::Width::Avx2 => return unsafe { avx2($($argument),*) },
                    $crate::core::simd::Width::Any => {}
                }
            }
            plain($($argument),*)
        }
    };
}

pub(crate) use vectorised;

/// What the vectors of a CPU can do.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Width {
    Any,
    Avx2,
    Avx512,
}

/// Looked up in a word that the standard library keeps.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn width() -> Width {
    let has_avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    let width = match is_x86_feature_detected!("avx2") {
        true if has_avx512 => Width::Avx512,
        true => Width::Avx2,
        false => Width::Any,
    };
    #[cfg(test)]
    let width = width.min(tests::WIDEST.get());
    width
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use std::cell::Cell;

    use super::{Width, width};
    use crate::core::block::Buffers;
    use crate::core::features::complexity::{Patterns, hurst};
    use crate::core::testing::{Owned, walk};
    use crate::core::{BarBuilder, Breaks, RangeRule, TimeUnit, WindowOptions};

    thread_local! {
        /// What this thread uses at most.
        pub static WIDEST: Cell<Width> = const { Cell::new(Width::Avx512) };
    }

    #[test]
    fn prop_every_width_gives_the_same_bits() {
        let trades = Owned::walk(21, 20_000);
        let price = walk(22, 20_000, 4_200_000_000_000, 1_000_000);
        let run = |widest: Width| {
            WIDEST.set(widest);
            assert!(width() <= widest);
            let rule = RangeRule::new(200, true).expect("a valid threshold");
            let mut builder =
                BarBuilder::new(&[rule], Breaks::default(), TimeUnit::Milliseconds, WindowOptions::default());
            let mut closed = Vec::new();
            builder.push(trades.view(), &mut Buffers::default(), &mut closed).expect("valid trades");
            let hurst: Vec<_> = (64..400).chain([20_000]).map(|rows| hurst(&price[..rows]).map(f64::to_bits)).collect();
            (closed, builder.forming().next().map(|(_, bar)| *bar), hurst, Patterns::of(&price))
        };
        let any = run(Width::Any);
        assert!(any.0.len() > 50, "the walk must close bars");
        assert!(run(Width::Avx2) == any && run(Width::Avx512) == any);
    }
}
