internal import CSupport
package import Tensors

/// One call's progress, cancellation and account. Belongs to the thread of the call.
package final class Control {
    /// Fraction from 0 to 1 and a stage; true cancels.
    private let progress: ((Double, String) throws -> Bool)?
    private let isCancelled: (() -> Bool)?
    private let started = support_now()
    private let deadline: Double?
    /// Whether the call was ended by its deadline: what is finished may still be given.
    package private(set) var hasMetDeadline = false
    /// Observers and interventions on named values.
    package let hooks: [Hook]

    /// Images run forward and backward so far.
    package private(set) var forwards = 0
    package private(set) var backwards = 0
    /// Most bytes that activations took at once.
    package private(set) var peakBytes = 0

    private var stage = ""
    private var low = 0.0
    private var high = 1.0
    /// The part of the whole that `begin` divides, and the stage that it belongs to; see `nested`.
    private var frame = (low: 0.0, high: 1.0)
    private var frameStage: String?
    /// Progress never goes back, even where a part is evaluated twice.
    private var reached = 0.0
    /// When the progress callback was last called: it may be slow (another language, a screen), so nodes in between go unreported.
    private var reported = -1.0
    private static let reportInterval = 0.01

    package init(
        progress: ((Double, String) throws -> Bool)? = nil, isCancelled: (() -> Bool)? = nil, deadline: Double? = nil, hooks: [Hook] = []
    ) {
        self.progress = progress
        self.isCancelled = isCancelled
        self.deadline = deadline
        self.hooks = hooks
    }

    package var seconds: Double { support_now() - started }

    /// Seconds until the deadline; nil when there is none.
    package var secondsLeft: Double? { deadline.map { $0 - seconds } }

    /// What follows, until the next call, is the part from `done` to `next` of `total` of the stage.
    package func begin(_ stage: String, _ done: Int, to next: Int, of total: Int) throws {
        self.stage = frameStage ?? stage
        low = frame.low + (frame.high - frame.low) * Double(done) / Double(max(total, 1))
        high = frame.low + (frame.high - frame.low) * Double(next) / Double(max(total, 1))
        reported = -1
        try poll(0)
    }

    /// A method within a method: the parts that `body` begins are parts of the present one.
    package func nested<R>(_ body: () throws -> R) rethrows -> R {
        let outer = (frame, frameStage, stage, low, high)
        (frame, frameStage) = ((low, high), stage)
        defer { (frame, frameStage, stage, low, high) = outer }
        return try body()
    }

    /// Called between nodes: `fraction` of the current part is done. Throws when the call must end.
    package func poll(_ fraction: Double) throws {
        if let isCancelled, isCancelled() { throw Failure(.cancelled, "cancelled by the caller's flag") }
        guard deadline != nil || progress != nil else { return }
        let now = seconds
        if let deadline, now > deadline {
            hasMetDeadline = true
            throw Failure(.cancelled, "the deadline of \(deadline) s has passed, and nothing can be given yet")
        }
        guard let progress, reported < 0 || now - reported >= Control.reportInterval || fraction >= 1 else { return }
        reported = now
        reached = min(1, max(reached, low + (high - low) * fraction))
        if try progress(reached, stage) {
            throw Failure(.cancelled, "cancelled by the progress callback")
        }
    }

    /// A call inside this one, with a part of its progress: what it counts, `absorb` adds.
    package func nested() -> Control {
        Control(
            progress: { [self] fraction, _ in
                try poll(fraction)
                return false
            }, hooks: hooks)
    }

    package func absorb(_ inner: Control) {
        forwards += inner.forwards
        backwards += inner.backwards
        peakBytes = max(peakBytes, inner.peakBytes)
    }

    func count(images: Int, isBackward: Bool, bytes: Int) {
        forwards += images
        if isBackward { backwards += images }
        peakBytes = max(peakBytes, bytes)
    }
}

/// Sees a named value, or its gradient, during a run; may replace it.
package struct Hook {
    package enum Phase: Hashable, Sendable { case forward, backward }
    package let name: String
    package let phase: Phase
    /// Returns a tensor of the same type and shape to put in the value's place, or nil.
    package let action: (String, Tensor) throws -> Tensor?

    package init(_ name: String, phase: Phase = .forward, action: @escaping (String, Tensor) throws -> Tensor?) {
        self.name = name
        self.phase = phase
        self.action = action
    }
}
