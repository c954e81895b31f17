internal import Runtime
internal import Tensors

/// iGOS+: one mask whose removal takes the class away and whose removed part alone brings it back:
/// `min_M P_c(Phi(M)) - P_c(Phi(1 - M)) + lambda1 mean|1 - M| + lambda2 BTV(M)`.
/// Khorram, Lawson & Li 2021, "iGOS++: integrated gradient optimized saliency by bilateral perturbations", section 3.
struct IGOSPlus: Explainer {
    static let method = Method(
        "i-gos+", family: "mask", summary: "I-GOS with deletion and insertion on one mask.",
        reference: "Khorram, Lawson, Li: iGOS++: Integrated Gradient Optimized Saliency by Bilateral Perturbations (2021)",
        needs: [.gradient], score: .probability, parameters: Profile.parameters + Profile.bilateral)

    private let family: IGOSFamily

    init(_ settings: Settings) throws {
        family = try IGOSFamily(
            settings, .init(terms: [MaskTerm(false, [0]), MaskTerm(true, [0])], masks: ["mask"], isBilateral: true))
    }

    func explain(_ request: Request) throws -> Findings { try family.explain(request) }
    func work(_ request: Request) throws -> [Work] { try family.work(request) }
}
