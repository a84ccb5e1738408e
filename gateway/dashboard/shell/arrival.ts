// After going to another page, the keyboard and a screen reader stand at its heading, as after a page load: otherwise they would stay on a link of the
// page that is gone. Where no heading stands yet, they wait at the page's landmark.

export function arrive(): void {
  const place = document.querySelector<HTMLElement>('main h1') ?? document.getElementById('content')
  place?.focus({ preventScroll: true })
}
