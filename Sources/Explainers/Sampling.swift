internal import Runtime
package import Tensors

/// Methods that take samples give what they have when the deadline comes.
extension Request {
    /// Calls `body` for the samples of every image, a chunk at a time and all images in step, until there are `total` of
    /// each or the deadline has come; cancelling is an error, and so is a deadline before each image has a sample. Returns
    /// how many samples of each image were taken. `isEnough`: asked before each chunk, whether an image needs no more.
    package func sample(
        _ stage: String, _ total: Int, isEnough: (_ image: Int) -> Bool = { _ in false },
        _ body: (_ image: Int, _ samples: Range<Int>) throws -> Void
    ) throws -> [Int] {
        var done = [Int](repeating: 0, count: images)
        var pace = Pace(largest: try chunk(of: total), control: control)
        do {
            while true {
                let open = done.indices.filter { done[$0] < total && !isEnough($0) }
                guard let first = open.first.map({ done[$0] }) else { break }
                let samples = first..<min(first + pace.size, total)
                for image in open {
                    let before = first * images + image * samples.count
                    try control.begin(stage, before, to: before + samples.count, of: total * images)
                    try body(image, samples)
                    done[image] = samples.upperBound
                }
                pace.adapt(samples.count * open.count, control)
            }
        } catch let failure as Failure where canStop(failure) && !done.contains(0) {
            isStopped = true
        }
        return done
    }

    /// Asks whether the call was cancelled; the deadline, at which what is complete is still put together, ends nothing here.
    func pollForCancelling() throws {
        do { try control.poll(1) } catch let failure as Failure where canStop(failure) {}
    }

    /// Whether a failure is the deadline, at which what is complete may be given.
    package func canStop(_ failure: Failure) -> Bool { failure.kind == .cancelled && control.hasMetDeadline }
}

/// How many samples are evaluated at once. Without a deadline as many as memory allows; with one, a chunk that it cuts
/// off is lost, so that chunks begin at one sample, double, and shrink as the time left does. Powers of two: each size
/// needs a plan of its own.
private struct Pace {
    private(set) var size: Int
    private let largest: Int
    private var began: Double

    init(largest: Int, control: Control) {
        self.largest = largest
        size = control.secondsLeft == nil ? largest : 1
        began = control.seconds
    }

    mutating func adapt(_ taken: Int, _ control: Control) {
        guard let left = control.secondsLeft else { return }
        let perSample = (control.seconds - began) / Double(max(1, taken))
        let perStep = perSample * Double(max(1, taken / max(1, size)))
        began = control.seconds
        size = min(size * 2, largest)
        while size > 1, perStep * Double(size) > left { size /= 2 }
    }
}
