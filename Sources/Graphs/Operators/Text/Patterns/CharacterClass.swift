/// A set of characters: ranges, general categories, or what is in neither.
struct CharacterClass: Sendable {
    private(set) var ranges: [ClosedRange<UInt32>] = []
    /// One bit for each general category.
    private var categories: UInt32 = 0
    var isNegated = false
    /// Characters match in any case.
    var ignoresCase = false

    static let any = CharacterClass(0...0x10FFFF)
    static let anyButNewline = CharacterClass(0...9, 11...0x10FFFF)

    init(_ ranges: ClosedRange<UInt32>...) { self.ranges = ranges }

    init(_ c: Unicode.Scalar) { ranges = [c.value...c.value] }

    mutating func insert(_ range: ClosedRange<UInt32>) { ranges.append(range) }

    /// Everything of another set, which may be negated.
    mutating func formUnion(_ other: CharacterClass) {
        ranges += other.isNegated ? other.gaps : other.ranges
        categories |= other.isNegated && other.ranges.isEmpty ? ~other.categories : other.categories
    }

    /// What lies between the ranges; nothing for a set of categories alone.
    private var gaps: [ClosedRange<UInt32>] {
        guard !ranges.isEmpty else { return [] }
        var result: [ClosedRange<UInt32>] = [], next: UInt32 = 0
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if range.lowerBound > next { result.append(next...range.lowerBound - 1) }
            next = max(next, range.upperBound + 1)
        }
        return next <= 0x10FFFF ? result + [next...0x10FFFF] : result
    }

    // MARK: Membership

    func contains(_ c: Unicode.Scalar) -> Bool {
        if holds(c) { return !isNegated }
        return (ignoresCase && CharacterClass.otherCases(c).contains(where: holds)) != isNegated
    }

    private func holds(_ c: Unicode.Scalar) -> Bool {
        for range in ranges where range.contains(c.value) { return true }
        return categories != 0 && categories >> CharacterClass.number(c.properties.generalCategory) & 1 == 1
    }

    /// The set with the other cases of its single characters, so that each finds the others.
    func folded() -> CharacterClass {
        var result = self
        result.ignoresCase = true
        for range in ranges where range.count <= 64 {
            for value in range {
                guard let c = Unicode.Scalar(value) else { continue }
                for other in CharacterClass.otherCases(c) where !holds(other) { result.insert(other.value...other.value) }
            }
        }
        return result
    }

    private static func otherCases(_ c: Unicode.Scalar) -> [Unicode.Scalar] {
        if c.isASCII {
            guard c.properties.isAlphabetic, let other = Unicode.Scalar(c.value ^ 0x20) else { return [] }
            return [other]
        }
        let direct = [c.properties.lowercaseMapping, c.properties.uppercaseMapping].compactMap(only)
        return direct + direct.flatMap { [$0.properties.lowercaseMapping, $0.properties.uppercaseMapping].compactMap(only) }
    }

    private static func only(_ text: String) -> Unicode.Scalar? {
        text.unicodeScalars.dropFirst().isEmpty ? text.unicodeScalars.first : nil
    }

    // MARK: Named sets

    /// `\d`, `\s`, `\w`, which are of ASCII alone.
    static func perl(_ letter: Unicode.Scalar) -> CharacterClass? {
        switch letter {
        case "d": CharacterClass(0x30...0x39)
        case "s": CharacterClass(9...10, 12...13, 32...32)
        case "w": CharacterClass(0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A)
        default: nil
        }
    }

    /// `[:name:]`.
    static func posix(_ name: String) -> CharacterClass? {
        switch name {
        case "alnum": CharacterClass(0x30...0x39, 0x41...0x5A, 0x61...0x7A)
        case "alpha": CharacterClass(0x41...0x5A, 0x61...0x7A)
        case "ascii": CharacterClass(0...0x7F)
        case "blank": CharacterClass(9...9, 32...32)
        case "cntrl": CharacterClass(0...0x1F, 0x7F...0x7F)
        case "digit": perl("d")
        case "graph": CharacterClass(0x21...0x7E)
        case "lower": CharacterClass(0x61...0x7A)
        case "print": CharacterClass(0x20...0x7E)
        case "punct": CharacterClass(0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E)
        case "space": CharacterClass(9...13, 32...32)
        case "upper": CharacterClass(0x41...0x5A)
        case "word": perl("w")
        case "xdigit": CharacterClass(0x30...0x39, 0x41...0x46, 0x61...0x66)
        default: nil
        }
    }

    /// `\p{Lu}` or `\p{L}`.
    static func unicode(_ name: String) -> CharacterClass? {
        if name == "Any" { return any }
        var result = CharacterClass()
        for (number, category) in names.enumerated() where category.hasPrefix(name) { result.categories |= 1 << UInt32(number) }
        return name.isEmpty || name.count > 2 || result.categories == 0 ? nil : result
    }

    private static let names = [
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So",
        "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn",
    ]

    private static func number(_ category: Unicode.GeneralCategory) -> UInt32 {
        switch category {
        case .uppercaseLetter: 0
        case .lowercaseLetter: 1
        case .titlecaseLetter: 2
        case .modifierLetter: 3
        case .otherLetter: 4
        case .nonspacingMark: 5
        case .spacingMark: 6
        case .enclosingMark: 7
        case .decimalNumber: 8
        case .letterNumber: 9
        case .otherNumber: 10
        case .connectorPunctuation: 11
        case .dashPunctuation: 12
        case .openPunctuation: 13
        case .closePunctuation: 14
        case .initialPunctuation: 15
        case .finalPunctuation: 16
        case .otherPunctuation: 17
        case .mathSymbol: 18
        case .currencySymbol: 19
        case .modifierSymbol: 20
        case .otherSymbol: 21
        case .spaceSeparator: 22
        case .lineSeparator: 23
        case .paragraphSeparator: 24
        case .control: 25
        case .format: 26
        case .surrogate: 27
        case .privateUse: 28
        case .unassigned: 29
        @unknown default: 29
        }
    }
}
