internal import Tensors

/// A regular expression in RE2's syntax, made into a machine that reads every character once (Thompson 1968), so that no
/// pattern and no text take longer than their lengths multiplied.
struct TextPattern: Sendable {
    private enum Instruction: Sendable {
        case one(CharacterClass)
        case at(PatternNode.Place)
        /// Goes on at both places.
        case fork(Int, Int)
        case jump(Int)
        case match
    }

    /// Instructions; RE2 limits its machines to a few megabytes likewise.
    private static let largest = 20_000
    private var program: [Instruction] = []

    init(_ source: String) throws {
        guard source.utf8.count <= TextPattern.largest else { throw Failure.unsupported("a pattern of \(source.utf8.count) bytes") }
        try compile(PatternParser.parse(source))
        try append(.match)
    }

    // MARK: Making the machine

    private mutating func append(_ instruction: Instruction) throws {
        guard program.count < TextPattern.largest else { throw Failure.unsupported("the pattern's repetitions make it too large") }
        program.append(instruction)
    }

    private mutating func compile(_ node: PatternNode) throws {
        switch node {
        case .empty: return
        case .one(let set): try append(.one(set))
        case .at(let place): try append(.at(place))
        case .sequence(let parts): for part in parts { try compile(part) }
        case .either(let branches): try addEither(branches)
        case .repeated(let inner, let low, let high):
            let start = program.count
            for _ in 0..<low {
                try compile(inner)
                // Nothing repeated is nothing, however often.
                if program.count == start { return }
            }
            guard let high else { return try addAnyNumber(inner) }
            // Each further time is optional, and all of them together end at the same place.
            var forks: [Int] = []
            for _ in low..<max(low, high) {
                forks.append(program.count)
                try append(.jump(0))
                try compile(inner)
            }
            for fork in forks { program[fork] = .fork(fork + 1, program.count) }
        }
    }

    private mutating func addAnyNumber(_ inner: PatternNode) throws {
        let fork = program.count
        try append(.jump(0))
        try compile(inner)
        try append(.jump(fork))
        program[fork] = .fork(fork + 1, program.count)
    }

    private mutating func addEither(_ branches: [PatternNode]) throws {
        var ends: [Int] = []
        for branch in branches.dropLast() {
            let fork = program.count
            try append(.jump(0))
            try compile(branch)
            ends.append(program.count)
            try append(.jump(0))
            program[fork] = .fork(fork + 1, program.count)
        }
        if let last = branches.last { try compile(last) }
        for end in ends { program[end] = .jump(program.count) }
    }

    // MARK: Running it

    /// True when the pattern matches the whole text.
    func matchesWhole(_ text: String) -> Bool {
        let text = Array(text.unicodeScalars)[...]
        var states = States(program.count), after = states
        enter(0, since: 0, text, 0, &states)
        for place in text.indices {
            if states.isEmpty { return false }
            step(states, text, place, limit: .max, &after)
            swap(&states, &after)
        }
        return states.since(program.count - 1) != nil
    }

    /// The longest of the matches that begin first, from a place on. What lies before is still seen by `^` and `\b`.
    func first(in text: ArraySlice<Unicode.Scalar>, from start: Int) -> Range<Int>? {
        var states = States(program.count), after = states, best: Range<Int>?
        for place in start...max(start, text.endIndex) {
            if best == nil { enter(0, since: place, text, place, &states) }
            if let since = states.since(program.count - 1), since <= best?.lowerBound ?? .max { best = since..<place }
            if place == text.endIndex || (states.isEmpty && best != nil) { break }
            step(states, text, place, limit: best?.lowerBound ?? .max, &after)
            swap(&states, &after)
        }
        return best
    }

    /// All states after one more character, of those that began at `limit` or before.
    private func step(_ states: States, _ text: ArraySlice<Unicode.Scalar>, _ place: Int, limit: Int, _ result: inout States) {
        result.removeAll()
        for (state, since) in states.all where since <= limit {
            guard case .one(let set) = program[state], set.contains(text[place]) else { continue }
            enter(state + 1, since: since, text, place + 1, &result)
        }
    }

    /// Adds a state and those reached from it without reading. States come in order of where they began, so that the
    /// first to arrive at one began first.
    private func enter(_ state: Int, since: Int, _ text: ArraySlice<Unicode.Scalar>, _ place: Int, _ states: inout States) {
        var waiting = [state]
        while let state = waiting.popLast() {
            guard states.insert(state, since) else { continue }
            switch program[state] {
            case .fork(let a, let b): waiting += [b, a]
            case .jump(let to): waiting.append(to)
            case .at(let what): if holds(what, text, place) { waiting.append(state + 1) }
            case .one, .match: break
            }
        }
    }

    private func holds(_ what: PatternNode.Place, _ text: ArraySlice<Unicode.Scalar>, _ place: Int) -> Bool {
        let before = place > text.startIndex ? text[place - 1] : nil, after = place < text.endIndex ? text[place] : nil
        switch what {
        case .textStart: return before == nil
        case .textEnd: return after == nil
        case .lineStart: return before == nil || before == "\n"
        case .lineEnd: return after == nil || after == "\n"
        case .wordBoundary: return isWord(before) != isWord(after)
        case .insideWord: return isWord(before) == isWord(after)
        }
    }

    private func isWord(_ c: Unicode.Scalar?) -> Bool {
        guard let c, c.isASCII else { return false }
        return c == "_" || c.properties.isAlphabetic || ("0"..."9").contains(c)
    }

    /// States of the machine, each with the place where its match would begin.
    private struct States {
        private(set) var all: [(state: Int, since: Int)] = []
        private var places: [Int32]

        init(_ count: Int) { places = [Int32](repeating: -1, count: count) }

        var isEmpty: Bool { all.isEmpty }

        mutating func insert(_ state: Int, _ since: Int) -> Bool {
            guard places[state] < 0 else { return false }
            places[state] = Int32(all.count)
            all.append((state, since))
            return true
        }

        mutating func removeAll() {
            for (state, _) in all { places[state] = -1 }
            all.removeAll(keepingCapacity: true)
        }

        func since(_ state: Int) -> Int? { places[state] < 0 ? nil : all[Int(places[state])].since }
    }
}
