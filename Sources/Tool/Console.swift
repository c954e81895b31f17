import Glibc

/// What goes to the person at the terminal.
enum Console {
    /// True where the error stream is a terminal that can redraw a line.
    static let isTerminal = isatty(2) == 1 && environment("TERM") != "dumb"
    /// Colours only where a person looks and has not said no (no-color.org).
    private static let isColored = isTerminal && environment("NO_COLOR").isEmpty

    private static func environment(_ name: String) -> String {
        getenv(name).map { String(cString: $0) } ?? ""
    }

    /// Says what went wrong on the error stream.
    static func complain(_ text: String) {
        printError((isColored ? "\u{1B}[31mpellucid:\u{1B}[0m " : "pellucid: ") + text)
    }

    /// Writes a line to the error stream, after what `print` still holds back.
    static func printError(_ text: String) {
        fflush(nil)
        writeError(text + "\n")
    }

    static func writeError(_ text: String) {
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            written += count
        }
    }

    /// Columns of the terminal.
    static var columns: Int {
        var size = winsize()
        guard ioctl(2, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }
}

/// A bar with the time that is left, on a terminal only.
final class Progress {
    private let isShown: Bool
    private let total: Int
    private let start = now()
    private var done = 0
    private var drawn = -1.0
    private var label = ""

    /// `total` pieces of work of about the same size.
    init(total: Int, isQuiet: Bool) {
        self.total = max(total, 1)
        isShown = Console.isTerminal && !isQuiet
    }

    func begin(_ label: String) {
        self.label = label
        drawn = -1
        update(0)
    }

    /// The current piece is done to that share.
    func update(_ share: Double) {
        let time = now()
        guard isShown, time - drawn > 0.1 else { return }
        drawn = time
        Console.writeError("\r" + line(share, time - start) + "\u{1B}[K")
    }

    func end() { done += 1 }

    /// Takes the bar away before other lines are printed.
    func clear() {
        guard isShown, drawn >= 0 else { return }
        Console.writeError("\r\u{1B}[K")
        drawn = -1
    }

    private func line(_ share: Double, _ elapsed: Double) -> String {
        let part = min(1, (Double(done) + min(max(share, 0), 1)) / Double(total))
        let filled = Int(part * 24)
        let left =
            part > 0.01 && elapsed > 0.5 ? "  \(Progress.clock(elapsed * (1 - part) / part)) left" : ""
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 24 - filled)
        let text = "\(bar) \(Int(part * 100))% \(done + 1)/\(total)\(left)  \(label)"
        return String(text.prefix(max(10, Console.columns - 1)))
    }

    private static func clock(_ seconds: Double) -> String {
        let whole = Int(min(seconds.rounded(.up), 359_999))
        let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
        let tail =
            (minutes < 10 && hours > 0 ? "0" : "") + "\(minutes):" + (rest < 10 ? "0" : "") + "\(rest)"
        return hours > 0 ? "\(hours):" + tail : tail
    }
}

/// Ctrl-C: the library is asked to stop; a second one ends the process.
enum Interrupt {
    /// Shared with the signal handler and the library, which only look at it and set it to 1; never freed.
    nonisolated(unsafe) static let flag: UnsafeMutablePointer<Int32> = {
        let flag = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
        flag.initialize(to: 0)
        return flag
    }()

    static var happened: Bool { flag.pointee != 0 }

    static func install() {
        _ = flag
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in
            if Interrupt.flag.pointee != 0 { _exit(130) }
            Interrupt.flag.pointee = 1
        }
        // Without SA_RESTART: a read that waits for somebody ends.
        for number in [SIGINT, SIGTERM] { sigaction(number, &action, nil) }
    }

    /// Throws when the person wants to stop.
    static func check() throws { if happened { throw ToolError("interrupted") } }
}

/// Seconds of a clock that only runs forwards.
func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
