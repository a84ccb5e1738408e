// For what another process does in its own time: tries again until it holds, or fails with the last reason.
export async function eventually(limitMs: number, holds: () => Promise<void>): Promise<void> {
  const until = Date.now() + limitMs
  for (;;) {
    try {
      return await holds()
    } catch (reason) {
      if (Date.now() > until) throw reason
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
