internal import Glibc

/// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
/// The same seed, stream and index give the same number whatever the batch size or thread.
package struct Random: Sendable {
    private let key: (UInt32, UInt32)
    private let stream: UInt64

    /// `stream` separates independent uses of one seed: a sample, a mask.
    package init(seed: UInt64, stream: UInt64 = 0) {
        key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        self.stream = stream
    }

    /// Four words for one counter value.
    package func block(_ index: UInt64) -> (UInt32, UInt32, UInt32, UInt32) {
        var c = (
            UInt32(truncatingIfNeeded: index), UInt32(truncatingIfNeeded: index >> 32),
            UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32)
        )
        var k = key
        for _ in 0..<10 {
            let a = UInt64(c.0) &* 0xD251_1F53, b = UInt64(c.2) &* 0xCD9E_8D57
            c = (
                UInt32(truncatingIfNeeded: b >> 32) ^ c.1 ^ k.0, UInt32(truncatingIfNeeded: b),
                UInt32(truncatingIfNeeded: a >> 32) ^ c.3 ^ k.1, UInt32(truncatingIfNeeded: a)
            )
            k = (k.0 &+ 0x9E37_79B9, k.1 &+ 0xBB67_AE85)
        }
        return c
    }

    /// Standard normal numbers by Box and Muller, in place.
    package func fillNormal(_ target: UnsafeMutableBufferPointer<Float>) {
        for start in stride(from: 0, to: target.count, by: 4) {
            let words = block(UInt64(start / 4))
            let a = Random.normals(words.0, words.1), b = Random.normals(words.2, words.3)
            target[start] = a.0
            if start + 1 < target.count { target[start + 1] = a.1 }
            if start + 2 < target.count { target[start + 2] = b.0 }
            if start + 3 < target.count { target[start + 3] = b.1 }
        }
    }

    private static func normals(_ a: UInt32, _ b: UInt32) -> (Float, Float) {
        let radius = sqrt(-2 * log((Double(a) + 0.5) * 0x1p-32))
        let angle = 2 * Double.pi * (Double(b) + 0.5) * 0x1p-32
        return (Float(radius * cos(angle)), Float(radius * sin(angle)))
    }

    /// Uniform in [0, 1) for one index.
    package func uniform(_ index: UInt64) -> Double {
        let words = block(index / 2)
        let pair = index % 2 == 0 ? (words.0, words.1) : (words.2, words.3)
        return Double(UInt64(pair.0) << 21 ^ UInt64(pair.1) >> 11) * 0x1p-53
    }
}
