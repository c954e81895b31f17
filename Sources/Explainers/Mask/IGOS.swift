internal import Runtime
internal import Tensors

/// I-GOS: the smallest smooth mask that takes the class away, found with integrated gradients as directions:
/// `min_M P_c(x U(M) + b (1 - U(M))) + lambda1 mean|1 - M| + lambda2 TV(M)`, map `1 - U(M)`.
/// Qi, Khorram & Li 2020, "Visualizing deep networks by optimizing with integrated gradients", sections 3 and 4.
struct IGOS: Explainer {
    static let method = Method(
        "i-gos", family: "mask", summary: "The smallest smooth mask that takes the class away, optimised along integrated gradients.",
        reference: "Qi, Khorram, Li: Visualizing Deep Networks by Optimizing with Integrated Gradients (2020)", needs: [.gradient],
        score: .probability,
        parameters: [
            Parameter(
                "profile", .choice(["igos", "igos_aaai20"]), default: "igos",
                "published settings: of the authors' later code, or of the code of the AAAI 2020 paper (end-point search from 200, lambda1 lowered where it holds the mask back)"
            )
        ] + Profile.parameters)

    private let family: IGOSFamily

    init(_ settings: Settings) throws {
        family = try IGOSFamily(settings, .init(terms: [MaskTerm(false, [0])], masks: ["mask"], isBilateral: false))
    }

    func explain(_ request: Request) throws -> Findings { try family.explain(request) }
    func work(_ request: Request) throws -> [Work] { try family.work(request) }
}
