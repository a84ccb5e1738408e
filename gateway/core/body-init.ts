// What a request or an answer is made of, for the types of a browser too: they ask whether bytes lie in shared memory. Ours never do.

// The dashboard reads these files under the browser's types, where the assertion is needed; under the Worker's it says nothing new.
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-assertion
export const bodyInit = (body: string | Uint8Array): BodyInit => body as BodyInit
