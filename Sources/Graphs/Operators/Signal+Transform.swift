internal import Glibc
internal import Tensors

/// The unnormalised discrete Fourier transform of one length, in n log n steps: Cooley and Tukey's for powers of two,
/// Bluestein's convolution for the others ("A linear filtering approach to the computation of discrete Fourier
/// transform", 1970).
struct FourierTransform {
    private let length: Int
    /// exp(-2πi k / length) for k below half the length; powers of two only.
    private let cosines: [Double], sines: [Double]
    private let chirp: Chirp?

    init(_ length: Int) throws {
        self.length = length
        let isPower = length & (length - 1) == 0
        let angles = isPower ? (0..<max(length / 2, 1)).map { -2 * Double.pi * Double($0) / Double(length) } : []
        cosines = angles.map { cos($0) }
        sines = angles.map { sin($0) }
        chirp = isPower ? nil : try Chirp(length)
    }

    /// In place.
    func run(_ re: inout [Double], _ im: inout [Double], isInverse: Bool) {
        // The inverse is the transform with real and imaginary parts exchanged.
        if isInverse { forward(&im, &re) } else { forward(&re, &im) }
    }

    fileprivate func forward(_ re: inout [Double], _ im: inout [Double]) {
        if let chirp { return chirp.forward(&re, &im) }
        re.withUnsafeMutableBufferPointer { re in
            im.withUnsafeMutableBufferPointer { im in
                reverseBits(re, im)
                var half = 1
                while half < length {
                    let stride = length / (2 * half)
                    for start in Swift.stride(from: 0, to: length, by: 2 * half) {
                        for k in 0..<half {
                            let (a, b) = (start + k, start + k + half), (c, s) = (cosines[k * stride], sines[k * stride])
                            let (x, y) = (re[b] * c - im[b] * s, re[b] * s + im[b] * c)
                            (re[b], im[b]) = (re[a] - x, im[a] - y)
                            (re[a], im[a]) = (re[a] + x, im[a] + y)
                        }
                    }
                    half *= 2
                }
            }
        }
    }

    private func reverseBits(_ re: UnsafeMutableBufferPointer<Double>, _ im: UnsafeMutableBufferPointer<Double>) {
        var j = 0
        for i in 1..<max(length, 1) {
            var bit = length >> 1
            while j & bit != 0 { j ^= bit; bit >>= 1 }
            j |= bit
            if i < j { re.swapAt(i, j); im.swapAt(i, j) }
        }
    }

    /// jk = (j² + k² - (k - j)²) / 2 makes the transform a convolution, which one of a power of two computes.
    private final class Chirp: Sendable {
        private let length: Int, size: Int
        private let cosines: [Double], sines: [Double]
        private let filterRe: [Double], filterIm: [Double]
        private let transform: FourierTransform

        init(_ length: Int) throws {
            self.length = length
            var size = 1
            while size < 2 * length - 1 { size *= 2 }
            self.size = size
            transform = try FourierTransform(size)
            // k² modulo 2 length keeps the angle small and so exact.
            let angles = (0..<length).map { -Double.pi * Double($0 * $0 % (2 * length)) / Double(length) }
            cosines = angles.map { cos($0) }
            sines = angles.map { sin($0) }
            var re = [Double](repeating: 0, count: size), im = re
            for k in 0..<length {
                re[k] = cosines[k]
                im[k] = -sines[k]
                if k > 0 { re[size - k] = re[k]; im[size - k] = im[k] }
            }
            transform.forward(&re, &im)
            filterRe = re
            filterIm = im
        }

        func forward(_ re: inout [Double], _ im: inout [Double]) {
            var a = [Double](repeating: 0, count: size), b = a
            for k in 0..<length {
                a[k] = re[k] * cosines[k] - im[k] * sines[k]
                b[k] = re[k] * sines[k] + im[k] * cosines[k]
            }
            transform.forward(&a, &b)
            for k in 0..<size { (a[k], b[k]) = (a[k] * filterRe[k] - b[k] * filterIm[k], a[k] * filterIm[k] + b[k] * filterRe[k]) }
            transform.forward(&b, &a)
            let scale = 1 / Double(size)
            for k in 0..<length {
                re[k] = (a[k] * cosines[k] - b[k] * sines[k]) * scale
                im[k] = (a[k] * sines[k] + b[k] * cosines[k]) * scale
            }
        }
    }
}
