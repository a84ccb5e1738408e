// Where one goes after signing in: back to the page one came from. The address comes from a link, so anybody may have written it: only a path of this
// very site counts, and what a browser would read as another site (`//host`, `/\host`, `/<tab>/host`) does not.

const HOME = '/overview'

/** @returns a path of this site with its search and hash, or the overview */
export function comeBackTo(from: unknown, origin = window.location.origin): string {
  if (typeof from !== 'string' || !/^\/(?![/\\])[^\s\\]*$/.test(from) || !URL.canParse(from, origin)) return HOME
  const url = new URL(from, origin)
  if (url.origin !== origin || url.pathname.startsWith('//')) return HOME
  if (['/', '/sign-in'].includes(url.pathname)) return HOME
  return `${url.pathname}${url.search}${url.hash}`
}
