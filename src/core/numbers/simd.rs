//! Loops that are compiled several times: for every CPU, and for those with AVX2 or AVX-512, chosen at run time.

/// Defines a function whose loops use the widest vectors of the CPU: the body is compiled for each width. Floats are
/// added and multiplied as written, never fused, so the bits are the same. Bars with the ten features: 7.2 -> 4.0 ns
/// per trade with AVX2, 2.3 with AVX-512, in the caches.
///
/// What the loops call must be inlined, otherwise it is compiled only for the lowest common CPU: write `for`, not
/// `fold` or `sum`, around more than one line.
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

                match $crate::core::numbers::simd::width() {
                    #[expect(unsafe_code, reason = "compiled for more than every CPU has")]
                    // SAFETY: the CPU has what the function was compiled for.
                    $crate::core::numbers::simd::Width::Avx512 => return unsafe { avx512($($argument),*) },
                    #[expect(unsafe_code, reason = "compiled for more than every CPU has")]
                    // SAFETY: as above.
                    $crate::core::numbers::simd::Width::Avx2 => return unsafe { avx2($($argument),*) },
                    $crate::core::numbers::simd::Width::Any => {}
                }
            }
            plain($($argument),*)
        }
    };
}

pub(crate) use vectorised;

/// The vector instructions of a CPU.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Width {
    Any,
    Avx2,
    Avx512,
}

/// Read from a word that the standard library caches.
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
    let width = width.min(WIDEST.get());
    width
}

#[cfg(all(test, target_arch = "x86_64"))]
thread_local! {
    /// The most that this thread uses.
    pub static WIDEST: std::cell::Cell<Width> = const { std::cell::Cell::new(Width::Avx512) };
}
