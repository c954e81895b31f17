import Tensors
import Testing

@testable import Graphs

/// Patterns in RE2's syntax.
@Suite struct TextPatternTests {
    @Test(arguments: [
        ("", "", true), ("", "a", false), ("abc", "abc", true), ("a.c", "a\nc", false), ("(?s)a.c", "a\nc", true), ("a|bc|", "bc", true),
        ("a|bc|", "", true), ("(a|b)*c", "ababc", true), ("a{2,3}", "aaaa", false), ("a{2,3}", "aaa", true), ("a{2,}", "aaaaa", true),
        ("a{,3}", "a{,3}", true), ("x{1", "x{1", true), ("[^a-c]+", "xyz", true), ("[^a-c]+", "xaz", false), ("[]a]+", "]a", true),
        ("[a-c-e]", "-", true), ("[[:alpha:]_]+", "ab_", true), ("[[:^digit:]]", "7", false), (#"\d+\s\w"#, "12 _", true),
        (#"[\d.]+"#, "1.5", true), (#"\D"#, "é", true), (#"[^\D]"#, "4", true), (#"\pL+"#, "aé日", true), (#"\p{Lu}\p{^Lu}"#, "Éa", true),
        (#"\P{N}"#, "7", false), ("(?i)straße", "STRAßE", true), ("(?i)k", "\u{212A}", true), ("(?i)[a-c]+", "AbC", true),
        ("(?i:a)b", "Ab", true), ("(?i:a)b", "AB", false), ("a(?i)b|c", "C", true), (#"\Qa.b\E+"#, "a.bb", true),
        (#"\x41\x{1F600}\101"#, "A😀A", true),
        (#"\bfoo\b"#, "foo", true), (#"foo\B"#, "foo", false), ("^a$", "a", true), ("a$", "a\n", false), ("(?m)a$\nb", "a\nb", true),
        (#"\Aa\z"#, "a", true), ("(?P<name>a)(?<other>b)", "ab", true), ("a*?b+?", "aab", true), ("(?U)a+", "aa", true),
        ("[a&&b]", "&", true),
        (#"[\w.+-]+@[\w-]+\.com"#, "a.b+c@d-e.com", true), ("é", "e\u{301}", false), (#"\."#, ".", true), ("(|a)+", "aaa", true),
        ("((a{0,3}){0,3}){0,3}", "aaaaaaaaaaaaaaaaaaaaaaaaaaa", true),
    ])
    func matches(_ pattern: String, _ text: String, _ expected: Bool) throws {
        #expect(try TextPattern(pattern).matchesWhole(text) == expected, "\(pattern) on \(text)")
    }

    @Test(arguments: [
        "(", ")", "[a", "a**", "*a", "a{2}{3}", #"\"#, #"\1"#, #"\8"#, "(?=a)", "(?<=a)", "(?P=a)", "[b-a]", "[[:none:]]", #"\p{Klingon}"#,
        #"\x{110000}"#,
        "a{1001}", "(?x)a", #"\k"#, "(?P<>a)", "a++", #"[a-\d]"#,
    ])
    func refuses(_ pattern: String) {
        #expect(throws: Failure.self, "\(pattern)") { try TextPattern(pattern) }
    }

    /// Patterns on which backtracking takes forever, and machines that would not fit.
    @Test func takesNoLongerThanTheLengths() throws {
        let text = String(repeating: "a", count: 2000)
        for pattern in ["(a*)*b", "(a|a)*b", "(a|aa)+$b", "a?{0,1}", "(.*)(.*)(.*)(.*)(.*)x"] {
            guard let pattern = try? TextPattern(pattern) else { continue }
            #expect(!pattern.matchesWhole(text))
        }
        #expect(throws: Failure.self) { try TextPattern("((a{1000}){1000}){1000}") }
        #expect(try TextPattern("(((){1000}){1000}){1000}").matchesWhole(""))
        #expect(throws: Failure.self) { try TextPattern(String(repeating: "(", count: 100_000)) }
        #expect(throws: Failure.self) { try TextPattern(String(repeating: "a|", count: 100_000)) }
    }

    @Test func findsTheLongestOfTheFirst() throws {
        func all(_ pattern: String, _ text: String) throws -> [String] {
            let pattern = try TextPattern(pattern), scalars = Array(text.unicodeScalars)[...]
            var result: [String] = [], start = 0
            while start <= scalars.endIndex, let match = pattern.first(in: scalars, from: start) {
                result.append(String(String.UnicodeScalarView(scalars[match])))
                start = match.isEmpty ? match.lowerBound + 1 : match.upperBound
            }
            return result
        }
        #expect(try all("a|ab|abc", "xabcab") == ["abc", "ab"])
        #expect(try all(#"\b\w\w+\b"#, "a be sea, d") == ["be", "sea"])
        #expect(try all("^a", "aa") == ["a"])
        #expect(try all("b*", "abb") == ["", "bb", ""])
    }
}

/// Operators on texts.
@Suite struct TextOperatorTests {
    private func run(_ op: String, _ inputs: [Tensor], _ attributes: [String: Attribute] = [:]) throws -> [Tensor] {
        let known = try #require(OperatorSet.standard[op])
        return try known.compute(
            Call(
                node: Node(op: op, name: op, inputs: inputs.map { _ in ValueID(at: 0) }, outputs: [], attributes: attributes),
                inputs: inputs))
    }

    private func texts(_ texts: [String], _ shape: [Int]? = nil) throws -> Tensor { try Tensor(strings: texts, shape ?? [texts.count]) }

    /// Operators that move elements move texts, and fill with empty ones.
    @Test func textsAreMoved() throws {
        let x = try texts(["a", "b", "c", "d"], [2, 2]), zero = try Tensor([0] as [Int64]), one = try Tensor([1, -2] as [Int64])
        #expect(try run("Transpose", [x])[0].strings() == ["a", "c", "b", "d"])
        #expect(try run("Concat", [x, x], ["axis": .int(1)])[0].strings() == ["a", "b", "a", "b", "c", "d", "c", "d"])
        #expect(try run("Gather", [x, one])[0].strings() == ["c", "d", "a", "b"])
        #expect(try run("GatherElements", [x, Tensor([1, 0] as [Int64], [1, 2])])[0].strings() == ["c", "b"])
        #expect(try run("GatherND", [x, Tensor([1, 0] as [Int64], [1, 2])])[0].strings() == ["c"])
        #expect(
            try run("ScatterND", [x, Tensor([1] as [Int64], [1, 1]), texts(["x", "y"], [1, 2])])[0].strings() == ["a", "b", "x", "y"])
        #expect(
            try run("ScatterElements", [x, Tensor([1] as [Int64], [1, 1]), texts(["z"], [1, 1])])[0].strings() == ["a", "b", "z", "d"])
        #expect(try run("Where", [Tensor([Truth(true), Truth(false)]), x, texts(["-"])])[0].strings() == ["a", "-", "c", "-"])
        #expect(try run("Expand", [texts(["q"]), Tensor([2] as [Int64])])[0].strings() == ["q", "q"])
        #expect(try run("Tile", [texts(["q", "r"]), Tensor([2] as [Int64])])[0].strings() == ["q", "r", "q", "r"])
        #expect(try run("Slice", [x, zero, Tensor([1] as [Int64]), zero])[0].strings() == ["a", "b"])
        #expect(try run("Pad", [texts(["q"]), Tensor([1, 0] as [Int64])])[0].strings() == ["", "q"])
        #expect(try run("Trilu", [x])[0].strings() == ["a", "b", "", "d"])
        #expect(try run("Split", [x], ["axis": .int(1), "num_outputs": .int(2)]).map { try $0.strings() } == [["a", "c"], ["b", "d"]])
        #expect(try run("OneHot", [Tensor([1] as [Int64]), Tensor([2] as [Int64]), texts(["off", "on"])])[0].strings() == ["off", "on"])
        #expect(try run("Compress", [x, Tensor([Truth(false), Truth(true)])], ["axis": .int(0)])[0].strings() == ["c", "d"])
    }

    @Test func textsAreCompared() throws {
        let equal = try run("Equal", [texts(["a", "caf\u{e9}"]), texts(["a", "cafe\u{301}"])])[0]
        #expect(try equal.array(Truth.self).map(\.isTrue) == [true, false])
        let unique = try run("Unique", [texts(["b", "a", "b", ""])])
        #expect(try unique[0].strings() == ["", "a", "b"])
        #expect(try unique[2].integers() == [2, 1, 2, 0])
        #expect(try run("NonZero", [texts(["a", "", "b"])])[0].integers() == [0, 2])
        #expect(throws: Failure.self) { try run("Equal", [texts(["a"]), Tensor([1] as [Int64])]) }
        #expect(throws: Failure.self) { try run("Gather", [texts(["a"]), texts(["a"])]) }
        #expect(throws: Failure.self) { try run("Concat", [texts(["a"]), Tensor([1] as [Int64])], ["axis": .int(0)]) }
    }

    @Test func numbersAndTexts() throws {
        let numbers: [Double] = [
            0, -0.0, 1, 1.5, 0.1, 3.14159265358979, 1e10, 123_456_789, 1e-5, 1e-4, 1e20, .nan, .infinity, -.infinity, 99_999_999, 1e-300,
        ]
        let expected = [
            "0", "-0", "1", "1.5", "0.1", "3.14159265358979", "10000000000", "123456789", "1e-05", "0.0001", "1e+20", "NaN", "INF", "-INF",
            "99999999", "1e-300",
        ]
        #expect(try Tensor(numbers).converted(to: .string).strings() == expected)
        let singles: [Float] = [0.6048455, 5.1, 1 / 3, 16_777_216, 1e16, -123_456.79, 100]
        let short = ["0.6048455", "5.1", "0.33333334", "16777216", "1e+16", "-123456.79", "100"]
        #expect(try Tensor(singles).converted(to: .string).strings() == short)
        #expect(try Tensor([UInt64.max]).converted(to: .string).strings() == ["18446744073709551615"])
        #expect(try Tensor([Truth(true), Truth(false)]).converted(to: .string).strings() == ["1", "0"])
        #expect(
            try texts([" 1.5 ", "1e-5", "+INF", "-inf", "0x10"]).converted(to: .float64).doubles() == [
                1.5, 1e-5, .infinity, -.infinity, 16,
            ])
        #expect(try texts(["nan"]).converted(to: .float32).doubles()[0].isNaN)
        #expect(try texts(["-7", "100.5", "1E3"]).converted(to: .int32).integers() == [-7, 100, 1000])
        #expect(try texts(["18446744073709551615"]).converted(to: .uint64).array(UInt64.self) == [.max])
        for wrong in ["", "abc", "1,5", "12x", "1e400"] {
            #expect(throws: Failure.self, "\(wrong)") { try texts([wrong]).converted(to: .int64) }
        }
        #expect(throws: Failure.self) { try texts(["Hello World!"]).converted(to: .float32) }
    }

    @Test func casesChangeCharacterByCharacter() throws {
        func changed(_ text: String, _ action: String, _ locale: String = "en_US") throws -> [String] {
            try run("StringNormalizer", [texts([text])], ["case_change_action": .string(action), "locale": .string(locale)])[0].strings()
        }
        #expect(try changed("ÀéßI", "LOWER") == ["àéßi"])
        #expect(try changed("àéßi", "UPPER") == ["ÀÉßI"])
        #expect(try changed("Iİ", "LOWER", "tr_TR.UTF-8") == ["ıi"])
        #expect(try changed("iı", "UPPER", "tr_TR") == ["İI"])
    }

    /// What would not fit into memory is refused.
    @Test func hugeResultsAreRefused() throws {
        let long = try texts([String(repeating: "x", count: 1 << 20)], [1, 1])
        let many = try Tensor(strings: [String](repeating: "y", count: 1 << 16), [1 << 16, 1])
        let wide = try Tensor(strings: [String](repeating: "z", count: 16), [1, 16])
        let rows = try run("StringConcat", [many, wide])[0]
        #expect(throws: Failure.self) { try run("StringConcat", [rows, long]) }
        let vocabulary: [String: Attribute] = [
            "mode": .string("TF"), "pool_strings": .strings(["a"]), "ngram_counts": .ints([0]), "ngram_indexes": .ints([Int.max]),
            "min_gram_length": .int(1), "max_gram_length": .int(1), "max_skip_count": .int(Int.max),
        ]
        #expect(throws: Failure.self) { try run("TfIdfVectorizer", [texts(["a"])], vocabulary) }
    }
}
