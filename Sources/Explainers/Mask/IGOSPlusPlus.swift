internal import Runtime
internal import Tensors

/// iGOS++: a mask for deletion, one for insertion, and their product, each of which must do its work:
/// `min P_c(Phi(Mx)) - P_c(Phi(1 - My)) + P_c(Phi(Mxy)) - P_c(Phi(1 - Mxy)) + lambda1 mean|1 - Mxy| + lambda2 BTV(Mxy)`.
/// Khorram, Lawson & Li 2021, "iGOS++: integrated gradient optimized saliency by bilateral perturbations", section 3.
struct IGOSPlusPlus: Explainer {
    static let method = Method(
        "i-gos++", family: "mask", summary: "Masks for deletion and insertion optimised together; their product is the map.",
        reference: "Khorram, Lawson, Li: iGOS++: Integrated Gradient Optimized Saliency by Bilateral Perturbations (2021)",
        needs: [.gradient], score: .probability,
        parameters: Profile.parameters + Profile.bilateral + [
            Parameter(
                "frozen", .choice(["none", "deletion", "insertion"]), default: "none", "a mask that stays at its start (for ablations)")
        ])

    private let family: IGOSFamily

    init(_ settings: Settings) throws {
        let terms = [MaskTerm(false, [0]), MaskTerm(true, [1]), MaskTerm(false, [0, 1]), MaskTerm(true, [0, 1])]
        family = try IGOSFamily(settings, .init(terms: terms, masks: ["mask_deletion", "mask_insertion"], isBilateral: true))
    }

    func explain(_ request: Request) throws -> Findings { try family.explain(request) }
    func work(_ request: Request) throws -> [Work] { try family.work(request) }
}
