// The kinds of call that the playground makes. Alone here, because the address of the page is read before the page itself is fetched.
export const SURFACES = ['chat', 'completion', 'embeddings', 'tensors'] as const
export type Surface = (typeof SURFACES)[number]
