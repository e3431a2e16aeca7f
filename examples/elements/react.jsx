import { useRef, useState } from 'react';
import { createRoot } from 'react-dom/client';

function Product() {
  const credits = useRef(null);
  const [quantity, setQuantity] = useState('1');
  async function make() {
    await fetch('/make', { method: 'POST', body: quantity });
    credits.current.refresh();
  }
  return (
    <>
      <header><b>Product</b> <scrip-credits ref={credits} session="/session" top-up="/credits" /></header>
      <main>
        <h1>Videos</h1>
        <p><label>How many <input type="number" min="1" value={quantity} onChange={(event) => setQuantity(event.target.value)} /></label></p>
        <button id="make" onClick={make}>Make</button> <scrip-cost action="dynamic_video" quantity={quantity} />
        <scrip-notice for="make" action="dynamic_video" quantity={quantity} />
      </main>
    </>
  );
}

createRoot(document.getElementById('root')).render(<Product />);
