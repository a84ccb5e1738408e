// Some parts of a page are fetched only when what is read first stands: they are large, and nobody waits for them.

/** ms between two looks, and how often: what is slow for longer does not keep the rest waiting */
const LOOK_MS = 100
const LOOKS_MAX = 50
/** looks in a row that must find it standing: one part's answer often is another one's question */
const LOOKS_ALIKE = 4

/** Resolves once the page's heading stands and nothing of it is being fetched, or after some seconds. */
export async function pageStands(): Promise<void> {
  for (let looks = 0, alike = 0; looks < LOOKS_MAX && alike < LOOKS_ALIKE; looks++) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    const stands =
      document.querySelector('main h1') !== null && document.querySelector('main [aria-busy="true"]') === null
    alike = stands ? alike + 1 : 0
  }
}
