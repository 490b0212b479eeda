/**
 * Keeps the end of an area in sight while its content grows, until the reader scrolls up.
 *
 * @param {HTMLElement} area
 * @param {HTMLElement} button scrolls to the end
 */
export function keepAtEnd(area, button) {
	let atEnd = true;
	let last = 0;
	let scheduled = false;
	const toEnd = () => {
		atEnd = true;
		area.scrollTop = area.scrollHeight;
	};
	area.addEventListener(
		"scroll",
		() => {
			// Content that grows also moves the end away. Only a reader scrolls up.
			if (area.scrollHeight - area.scrollTop - area.clientHeight < 64) atEnd = true;
			else if (area.scrollTop < last) atEnd = false;
			last = area.scrollTop;
			button.hidden = atEnd;
		},
		{ passive: true },
	);
	button.addEventListener("click", toEnd);
	// New content is drawn in the next frame.
	new ResizeObserver(() => atEnd && toEnd()).observe(/** @type {Element} */ (area.firstElementChild));
	return {
		toEnd,
		follow() {
			if (!atEnd || scheduled) return;
			scheduled = true;
			requestAnimationFrame(() => {
				scheduled = false;
				if (atEnd) toEnd();
			});
		},
	};
}
