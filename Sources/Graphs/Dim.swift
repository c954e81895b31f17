package import Tensors

/// Size of an axis: a number, a polynomial of named symbols (`N`, `196*N + 4`), or unknown because it depends on data.
package struct Dim: Hashable, Sendable {
    /// One product of symbols with its factor; no symbols for the plain number.
    private struct Term: Hashable, Sendable {
        var symbols: [String]
        var factor: Int
    }
    private var terms: [Term]
    package let isUnknown: Bool

    private init(terms: [Term], isUnknown: Bool = false) {
        self.terms = terms
        self.isUnknown = isUnknown
    }

    package static let unknown = Dim(terms: [], isUnknown: true)
    package static func symbol(_ name: String) -> Dim { Dim(terms: [Term(symbols: [name], factor: 1)]) }
    package init(_ value: Int) { self.init(terms: value == 0 ? [] : [Term(symbols: [], factor: value)]) }

    /// The number, when it is one.
    package var value: Int? {
        if isUnknown { return nil }
        if terms.isEmpty { return 0 }
        return terms.count == 1 && terms[0].symbols.isEmpty ? terms[0].factor : nil
    }

    /// True when no size that the symbols may have makes it negative.
    package var isNonNegative: Bool { !isUnknown && terms.allSatisfy { $0.factor >= 0 } }

    /// True for an expression of symbols.
    package var isSymbolic: Bool { !isUnknown && value == nil }

    private static func collect(_ terms: [Term]) -> Dim {
        var sums: [[String]: Int] = [:]
        for term in terms {
            let (sum, overflow) = sums[term.symbols, default: 0].addingReportingOverflow(term.factor)
            if overflow { return .unknown }
            sums[term.symbols] = sum
        }
        let kept = sums.filter { $0.value != 0 }.map { Term(symbols: $0.key, factor: $0.value) }
        if kept.count > 16 { return .unknown }
        return Dim(
            terms: kept.sorted {
                ($0.symbols.count, $0.symbols.joined(separator: "*")) > ($1.symbols.count, $1.symbols.joined(separator: "*"))
            })
    }

    package static func + (a: Dim, b: Dim) -> Dim {
        a.isUnknown || b.isUnknown ? .unknown : collect(a.terms + b.terms)
    }

    package static func - (a: Dim, b: Dim) -> Dim { a + b * Dim(-1) }

    package static func * (a: Dim, b: Dim) -> Dim {
        if a.isUnknown || b.isUnknown { return a.value == 0 || b.value == 0 ? Dim(0) : .unknown }
        var products: [Term] = []
        for x in a.terms {
            for y in b.terms {
                let (factor, overflow) = x.factor.multipliedReportingOverflow(by: y.factor)
                if overflow { return .unknown }
                products.append(Term(symbols: (x.symbols + y.symbols).sorted(), factor: factor))
            }
        }
        return collect(products)
    }

    /// The quotient where the division leaves nothing; unknown otherwise.
    package func divided(by other: Dim) -> Dim {
        if self == other, !isUnknown, other.value != 0 { return Dim(1) }
        guard !isUnknown, other.terms.count == 1, let divisor = other.terms.first else { return .unknown }
        var result: [Term] = []
        for term in terms {
            var symbols = term.symbols
            for symbol in divisor.symbols {
                guard let at = symbols.firstIndex(of: symbol) else { return .unknown }
                symbols.remove(at: at)
            }
            let (quotient, overflow) = term.factor.dividedReportingOverflow(by: divisor.factor)
            guard !overflow, quotient * divisor.factor == term.factor else { return .unknown }
            result.append(Term(symbols: symbols, factor: quotient))
        }
        return Dim.collect(result)
    }

    /// The expression with numbers in place of the symbols that `values` names.
    package func substituting(_ values: [String: Int]) -> Dim {
        if isUnknown { return self }
        return terms.reduce(Dim(0)) { sum, term in
            sum + term.symbols.reduce(Dim(term.factor)) { $0 * (values[$1].map { Dim($0) } ?? .symbol($1)) }
        }
    }
}

extension Dim: CustomStringConvertible, ExpressibleByIntegerLiteral {
    package init(integerLiteral value: Int) { self.init(value) }

    package var description: String {
        if isUnknown { return "?" }
        if terms.isEmpty { return "0" }
        return terms.map { term in
            let product = term.symbols.joined(separator: "*")
            if product.isEmpty { return String(term.factor) }
            return term.factor == 1 ? product : "\(term.factor)*\(product)"
        }.joined(separator: " + ")
    }
}

/// What is known of a tensor before it exists.
package struct TensorType: Hashable, Sendable {
    package var element: ElementType
    /// nil: not even the rank is known.
    package var dims: [Dim]?
    /// Of a sequence and an optional: the type that all items have; of a map: those of keys and values. Empty when that is
    /// not known, and for tensors.
    package var items: [TensorType]

    package init(_ element: ElementType, _ dims: [Dim]?, items: [TensorType] = []) {
        self.element = element
        self.dims = dims
        self.items = items
    }

    package init(_ element: ElementType, shape: [Int]) { self.init(element, shape.map { Dim($0) }) }

    /// The shape, when every size is a number.
    package var shape: [Int]? {
        guard let dims else { return nil }
        let sizes = dims.compactMap(\.value)
        return sizes.count == dims.count ? sizes : nil
    }

    package var rank: Int? { dims?.count }

    /// Throws when the sizes that are known make a tensor that no machine like this one could hold.
    func checkSize() throws { _ = try Shape.count((dims ?? []).compactMap(\.value)) }
}

extension TensorType: CustomStringConvertible {
    package var description: String {
        if element.isContainer {
            return items.isEmpty ? "\(element)" : "\(element)(\(items.map(\.description).joined(separator: ", ")))"
        }
        guard let dims else { return "\(element) of unknown shape" }
        return dims.isEmpty ? "\(element) scalar" : "\(element) " + dims.map(\.description).joined(separator: "x")
    }
}
