// Some parts of a page are fetched only when what is read first stands: they are large, and nobody waits for them.

/** ms between two looks, and how often: what is slow for longer does not keep the rest waiting */
const LOOK_MS = 100
const LOOKS_MAX = 50

/** Resolves once the page's heading stands and nothing of it is being fetched, or after some seconds. */
export async function pageStands(): Promise<void> {
  for (let looks = 0; looks < LOOKS_MAX; looks++) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    if (document.querySelector('main h1') !== null && document.querySelector('main [aria-busy="true"]') === null) return
  }
}
